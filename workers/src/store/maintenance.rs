//! Maintenance: the partitions of the months to come, and raw exchanges that have had their time.

use super::{Error, Store, within};

/// A month of raw exchanges is dropped when its last day is this old, in business time.
pub const EXCHANGE_DAYS: i32 = 30;

impl Store {
    /// Makes the partitions of this month and the next, in business time, and drops the months of
    /// raw exchanges that are past their time. Returns how many were dropped.
    pub async fn maintain(&self) -> Result<i32, Error> {
        within(async {
            sqlx::query(
                "SELECT hub.ensure_month(((hub.now() + n * interval '1 month')
                   AT TIME ZONE 'UTC')::date) FROM generate_series(0, 1) n",
            )
            .execute(&self.pool)
            .await?;
            Ok(sqlx::query_scalar("SELECT hub.drop_old_exchanges($1 * interval '1 day')")
                .bind(EXCHANGE_DAYS)
                .fetch_one(&self.pool)
                .await?)
        })
        .await
    }
}
