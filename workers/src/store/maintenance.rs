//! Maintenance: the partitions of the months to come.

use super::{Error, Store, within};

impl Store {
    /// Makes the partitions of this month and the next, in business time.
    pub async fn ensure_partitions(&self) -> Result<(), Error> {
        within(async {
            sqlx::query(
                "SELECT hub.ensure_month(((hub.now() + n * interval '1 month')
                   AT TIME ZONE 'UTC')::date) FROM generate_series(0, 1) n",
            )
            .execute(&self.pool)
            .await?;
            Ok(())
        })
        .await
    }
}
