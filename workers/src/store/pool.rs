//! Connections that are lent out, and whose way back is bounded.
//!
//! A path that is lost without a word (a virtual address that moved, a firewall that forgot) leaves
//! connections on which nothing is ever answered. The driver asks each one that comes back whether it is
//! well, and waits for the answer for as long as the system's TCP does: a quarter of an hour, in which the
//! place in the pool stays taken. Here the answer has [`RETURN_WAIT_MAX`].
//!
//! *Guarantee*: whatever becomes of a call, its place is free again [`RETURN_WAIT_MAX`] after it ended, or
//! twice as long where it left a transaction: that is rolled back first, whoever gave it up and
//! wherever, before anybody else gets its connection, or the connection is closed.
//!
//! *Doubt*: one call without an answer says something about all connections that were idle then. Each has
//! to prove itself within [`PROOF_WAIT_MAX`] before it is lent again; without a doubt nobody is asked.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{TryFutureExt as _, TryStreamExt as _, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::timeout;

use super::CONNECTION_WAIT_MAX;

/// A connection that comes back answers within this, or is closed.
pub const RETURN_WAIT_MAX: Duration = Duration::from_secs(2);
/// A connection that is in doubt answers within this, or is closed.
pub const PROOF_WAIT_MAX: Duration = Duration::from_secs(1);

/// Connections to one database.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: PgPool,
    doubt: Doubt,
}

impl Pool {
    /// Of at most so many. What one pool doubts, all doubt that share the doubt.
    pub(super) fn new(most: u32, options: &PgConnectOptions, doubt: &Doubt) -> Self {
        let doubted = doubt.clone();
        let connections = PgPoolOptions::new()
            .max_connections(most)
            .acquire_timeout(CONNECTION_WAIT_MAX)
            .test_before_acquire(false)
            .before_acquire(move |connection, of| {
                let is_in_doubt = doubted.is_about(of.idle_for);
                Box::pin(async move { Ok(!is_in_doubt || is_well(connection).await) })
            })
            .connect_lazy_with(options.clone());
        Self { connections, doubt: doubt.clone() }
    }

    /// Lends a connection; who has its answers says [`Lent::done`].
    pub(super) async fn acquire(&self) -> Result<Lent, sqlx::Error> {
        let connection = Some(self.connections.acquire().await?);
        Ok(Lent { connection, doubt: self.doubt.clone(), is_done: false })
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        // A transaction from here on: a BEGIN whose answer nobody awaits is rolled back like any other.
        let mut tx = Transaction(Some(self.acquire().await?));
        tx.execute("BEGIN").await?;
        Ok(tx)
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        self.connections.close().await;
    }
}

impl<'p> Executor<'p> for &'p Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let mut lent = self.acquire().await?;
            let all: Result<Vec<_>, _> = lent.fetch_many(query).try_collect().await;
            Ok(futures_util::stream::iter(lent.answered(all)?.into_iter().map(Ok)))
        };
        Box::pin(all.try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut lent = self.acquire().await?;
            let row = lent.fetch_optional(query).await;
            lent.answered(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut lent = self.acquire().await?;
            let prepared = lent.prepare_with(sql, parameters).await;
            lent.answered(prepared)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut lent = self.acquire().await?;
            let described = lent.describe(sql).await;
            lent.answered(described)
        })
    }
}

/// A connection that goes back when it is dropped.
#[derive(Debug)]
pub struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    doubt: Doubt,
    is_done: bool,
}

impl Lent {
    /// Nothing is asked any more that was not answered.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }

    /// An answer, also one that is an error of the server's: the connection works.
    fn answered<T>(self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let is_answer = match &result {
            Ok(_) => true,
            Err(error) => error.as_database_error().is_some(),
        };
        if is_answer {
            self.done();
        }
        result
    }

    /// Without a word to the server, which may never get it.
    fn close(mut self) {
        drop(self.connection.take().map(PoolConnection::detach));
        self.doubt.raise();
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_ref().expect("it is taken away by what consumes the loan")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_mut().expect("it is taken away by what consumes the loan")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if !self.is_done {
            self.doubt.raise();
        }
        let doubt = self.doubt.clone();
        // What the driver would do in a task of its own too, but without an end.
        tokio::spawn(async move {
            if timeout(RETURN_WAIT_MAX, connection.return_to_pool()).await.is_err() {
                doubt.raise();
                tracing::info!("a connection to the database that answers nothing was closed");
            }
        });
    }
}

/// A transaction; what is neither committed nor rolled back when it is dropped is rolled back then.
#[derive(Debug)]
pub struct Transaction(Option<Lent>);

impl Transaction {
    /// Commits.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    /// Takes everything back.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &'static str) -> Result<(), sqlx::Error> {
        self.execute(how).await?;
        if let Some(lent) = self.0.take() {
            lent.done();
        }
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("it is taken away by what ends the transaction")
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("it is taken away by what ends the transaction")
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut lent) = self.0.take() else { return };
        lent.doubt.raise();
        tokio::spawn(async move {
            // What is under way on the connection is answered first.
            match timeout(RETURN_WAIT_MAX, lent.execute("ROLLBACK")).await {
                Ok(Ok(_)) => lent.done(),
                Ok(Err(_)) | Err(_) => lent.close(),
            }
        });
    }
}

/// The last moment at which something was not answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it is about a connection that has been idle for so long: it was already, at that moment.
    fn is_about(&self, idle_for: Duration) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|raised| raised.elapsed() <= idle_for)
    }
}

async fn is_well(connection: &mut PgConnection) -> bool {
    matches!(timeout(PROOF_WAIT_MAX, connection.ping()).await, Ok(Ok(())))
}
