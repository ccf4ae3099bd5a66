//! Pooled connections: every wait has a deadline, and a connection that failed is not used again.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, Status};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{Row, types::ToSql};

use super::{Endpoint, QueryError};
use crate::error::Error;

/// Values of a query, in the order of its `$1`, `$2` and so on.
pub type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// How PostgreSQL plans the queries of a pool.
///
/// Statistics are never good enough to choose a plan by: an empty table has none, and it grows. So every query is one
/// that an index answers row by row. The settings are local to a transaction, which also holds behind a pooler.
#[derive(Clone, Copy)]
pub enum Plans {
    /// One plan for any values: for look-ups by key.
    Generic,
    /// A plan for the values of each call: for filters, most of which are null.
    Custom,
}

/// How long a cancel request may take, and how many may be on their way at once.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);
const CANCELS: usize = 4;

/// How the database's connections are used.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Connections for requests, at least 3: a third each for lists, for changes, and for look-ups.
    pub size: usize,
    /// How long a request waits for its turn.
    pub wait: Duration,
    /// How long making a connection may take.
    pub connect: Duration,
    /// How long a list or a report may take.
    pub statement: Duration,
}

/// Connections to one database for one purpose.
pub struct Pool {
    connections: deadpool_postgres::Pool,
    endpoint: Arc<Endpoint>,
    begin: &'static str,
    wait: Duration,
    timeout: Duration,
    cancels: Arc<Semaphore>,
}

/// Adds what this service asks of every connection: time-outs, so that a database that vanished is noticed, and a name.
#[must_use]
pub fn connect_options(database: &Endpoint, limits: PoolLimits) -> Endpoint {
    let mut endpoint = database.clone();
    let config = &mut endpoint.config;
    config
        .application_name(config.get_application_name().unwrap_or("deploylog").to_owned())
        .connect_timeout(limits.connect)
        .tcp_user_timeout(limits.statement)
        .keepalives_idle(Duration::from_secs(15))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3);
    endpoint
}

impl Pool {
    /// Opens no connection yet. A query may take `timeout`, the wait for a connection included.
    pub fn new(
        database: &Endpoint,
        limits: PoolLimits,
        size: usize,
        plans: Plans,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let endpoint = connect_options(database, limits);
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let connections =
            deadpool_postgres::Pool::builder(Manager::from_connect(endpoint.config.clone(), endpoint.clone(), manager))
                .runtime(Runtime::Tokio1)
                .max_size(size)
                .build()
                .map_err(|error| Error::Internal(error.into()))?;
        Ok(Self {
            connections,
            endpoint: Arc::new(endpoint),
            begin: match plans {
                Plans::Generic => {
                    "begin; set local plan_cache_mode = force_generic_plan; set local jit = off;
                     set local enable_seqscan = off; set local enable_hashjoin = off;
                     set local enable_mergejoin = off; set local enable_bitmapscan = off"
                }
                Plans::Custom => {
                    "begin; set local plan_cache_mode = force_custom_plan; set local jit = off;
                     set local enable_seqscan = off; set local enable_hashjoin = off;
                     set local enable_mergejoin = off; set local enable_bitmapscan = off"
                }
            },
            wait: limits.wait,
            timeout,
            cancels: Arc::new(Semaphore::new(CANCELS)),
        })
    }

    /// Runs a query in a transaction of its own with this pool's plans: one round trip.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, QueryError> {
        let deadline = Instant::now() + self.timeout;
        self.on_connection(deadline, async |client| {
            let statement = client.prepare_cached(sql).await.map_err(not_sent)?;
            // All three are sent at once, so nobody who leaves halfway leaves a transaction open.
            let (begun, rows, committed) = tokio::join!(
                client.batch_execute(self.begin),
                client.query(&statement, parameters),
                client.batch_execute("commit")
            );
            begun.map_err(QueryError::of)?;
            let rows = rows.map_err(QueryError::of)?;
            committed.map_err(QueryError::of)?;
            Ok(rows)
        })
        .await
    }

    /// Runs a query that changes nothing; once more if the connection was unusable.
    pub async fn read(&self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, QueryError> {
        // Boxed: a handler that only reads would otherwise be three times as large as one that writes, and each
        // connection has room for the largest.
        let query = || Box::pin(self.query(sql, parameters));
        match query().await {
            Err(QueryError::StaleConnection(_) | QueryError::Lost(_)) => query().await,
            result => result,
        }
    }

    /// Calls a function that sets its own plans; once more if the connection was unusable and nothing was executed.
    pub async fn call(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, QueryError> {
        let call = || self.on_connection(deadline, async |client| call(client, sql, parameters).await);
        match call().await {
            Err(QueryError::StaleConnection(_)) => call().await,
            result => result,
        }
    }

    /// Does something on one connection, which is closed if that breaks it or the deadline passes.
    async fn on_connection<T>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(&ClientWrapper) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let client = self.connection(deadline).await?;
        let result = timeout_at(deadline, work(&client)).await.unwrap_or(Err(QueryError::TimedOut));
        if let Err(error) = &result
            && error.breaks_connection()
        {
            self.discard(&Object::take(client), error);
        }
        result
    }

    /// A connection that is idle, or a new one.
    async fn connection(&self, deadline: Instant) -> Result<Object, QueryError> {
        let deadline = deadline.min(Instant::now() + self.wait);
        match timeout_at(deadline, self.connections.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(QueryError::Unreachable(error.into())),
            Ok(Err(error)) => Err(QueryError::Unreachable(error.into())),
            Err(_) => Err(QueryError::Unreachable("no connection to the database was free in time".into())),
        }
    }

    /// Takes a connection out of the pool.
    pub(super) async fn take(&self, deadline: Instant) -> Result<ClientWrapper, QueryError> {
        Ok(Object::take(self.connection(deadline).await?))
    }

    /// Stops what a broken connection still does, and closes those that are as old as it is: most likely they are as
    /// unusable.
    pub(super) fn discard(&self, client: &ClientWrapper, error: &QueryError) {
        self.connections.retain(|_, _| false);
        let QueryError::TimedOut = error else { return };
        let Ok(permit) = self.cancels.clone().try_acquire_owned() else { return };
        let (endpoint, token) = (self.endpoint.clone(), client.cancel_token());
        tokio::spawn(async move {
            let _permit = permit;
            // Without an answer it ends by itself, or when the server notices that the connection is closed.
            let _ = timeout(CANCEL_TIMEOUT, endpoint.cancel(&token)).await;
        });
    }

    /// How many connections there are, and how many wait for one.
    #[must_use]
    pub fn status(&self) -> Status {
        self.connections.status()
    }

    /// Closes all that are idle, and lets none be opened.
    pub fn close(&self) {
        self.connections.close();
    }
}

/// Runs one statement in a transaction of its own.
pub(super) async fn call(
    client: &ClientWrapper,
    sql: &str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, QueryError> {
    let statement = client.prepare_cached(sql).await.map_err(not_sent)?;
    client.query(&statement, parameters).await.map_err(QueryError::of)
}

/// An error before the statement itself was sent.
fn not_sent(error: tokio_postgres::Error) -> QueryError {
    match QueryError::of(error) {
        QueryError::Lost(cause) => QueryError::StaleConnection(cause),
        other => other,
    }
}
