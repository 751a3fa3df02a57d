//! The schema: brought up to date, and which version it is.
//!
//! *Guarantee*: of several processes that migrate at once one does, and the others wait. They wait without
//! an open snapshot: `CREATE INDEX CONCURRENTLY` waits for everybody who holds one, and would wait for
//! those that wait for it. What an interrupted one left behind, an index that is never used and always
//! maintained, is dropped first and built anew.
//!
//! *Limits*: a migration waits for a lock for [`MIGRATION_LOCK_WAIT_MAX`], and then for as long as it takes.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection as _, PgConnection,
    migrate::{Migration, Migrator},
};

use super::{Error, Store, within};

/// How long a migration waits for a lock: whoever works must not queue up behind it for longer.
pub const MIGRATION_LOCK_WAIT_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether another process has migrated.
const TURN_EVERY: Duration = Duration::from_millis(200);

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

impl Store {
    /// Brings the schema up to date. Who works must be able to read which version it is: the table
    /// of migrations exists before the first migration, so no default privilege covers it. On a
    /// connection of its own: what bounds and steers the hub's statements is nothing for these.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.migrate_by(self.migrator().await?).await
    }

    /// As [`Store::migrate`], by the migrations of a folder: those of another build.
    pub async fn migrate_from(&self, folder: &Path) -> Result<(), Error> {
        self.migrate_by(Migrator::new(folder).await?).await
    }

    async fn migrate_by(&self, mut migrator: Migrator) -> Result<(), Error> {
        let mut own = PgConnection::connect_with(&self.migrating).await?;
        take_turn(&mut own).await?;
        drop_broken_indexes(&mut own).await?;
        // The driver's own lock is waited for in a statement, which holds a snapshot.
        migrator.set_locking(false).run(&mut own).await?;
        sqlx::query("GRANT SELECT ON _sqlx_migrations TO hub_app").execute(&mut own).await?;
        // The turn ends with the session.
        Ok(own.close().await?)
    }

    /// The migrations of this build. A schema that a newer build has made is left as it is: whoever goes
    /// back to the version before migrates first, as always, and must not be stopped by that. A version
    /// that is unknown among the known ones is another program's, and an error.
    async fn migrator(&self) -> Result<Migrator, Error> {
        let known: Vec<Migration> = MIGRATIONS.iter().cloned().collect();
        let versions: Vec<i64> = known.iter().map(|m| m.version).collect();
        let mut migrator = Migrator::with_migrations(known);
        let (applied, known) = self.schema_versions().await?;
        if applied > known {
            let strange = "SELECT EXISTS (SELECT 1 FROM _sqlx_migrations
                            WHERE version < $1 AND version <> ALL ($2))";
            let strange: bool = sqlx::query_scalar(strange)
                .bind(known)
                .bind(versions)
                .fetch_one(&self.pool)
                .await?;
            migrator.set_ignore_missing(!strange);
        }
        Ok(migrator)
    }

    /// The newest migration that is applied, and the newest that this program knows.
    pub async fn schema_versions(&self) -> Result<(i64, i64), Error> {
        within(async {
            let known = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
            let exists: bool =
                sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
                    .fetch_one(&self.pool)
                    .await?;
            if !exists {
                return Ok((0, known));
            }
            let applied: Option<i64> =
                sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                    .fetch_one(&self.pool)
                    .await?;
            Ok((applied.unwrap_or(0), known))
        })
        .await
    }
}

/// Waits until nobody else migrates; it is this session's turn until it ends.
async fn take_turn(own: &mut PgConnection) -> Result<(), Error> {
    let turn = "SELECT pg_try_advisory_lock(hashtext('hub.migrate'))";
    while !sqlx::query_scalar::<_, bool>(turn).fetch_one(&mut *own).await? {
        tokio::time::sleep(TURN_EVERY).await;
    }
    Ok(())
}

async fn drop_broken_indexes(own: &mut PgConnection) -> Result<(), Error> {
    let broken: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i
           JOIN pg_class c ON c.oid = i.indexrelid
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname IN ('hub', 'portal')",
    )
    .fetch_all(&mut *own)
    .await?;
    for index in broken {
        tracing::warn!("the index {index} was never finished: it is dropped and built anew");
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {index}");
        sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&mut *own).await?;
    }
    Ok(())
}
