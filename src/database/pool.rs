//! Pooled connections. Every wait has a deadline, and a broken connection is never used again.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut as _, BytesMut};
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, Status};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{
    Row,
    types::{IsNull, ToSql, Type, to_sql_checked},
};

use super::endpoint::Endpoint;
use super::query_error::{QueryError, retry};
use crate::error::{Cause, Error};

/// The values of `$1`, `$2` and so on.
pub type Parameters<'a> = &'a [Parameter<'a>];

pub type Parameter<'a> = &'a (dyn ToSql + Sync);

pub type QueryResult = Result<Vec<Row>, QueryError>;

const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_CONCURRENT_CANCELS: usize = 4;

#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Connections for requests, at least 3: a third each for lists, changes and look-ups.
    pub size: usize,
    /// How long a request waits for a free connection.
    pub wait: Duration,
    /// How long opening a connection can take.
    pub connect: Duration,
    /// How long a list or a report can take.
    pub statement: Duration,
}

pub struct Pool {
    connections: deadpool_postgres::Pool,
    endpoint: Arc<Endpoint>,
    /// Begins a transaction with the pool's plans.
    begin: String,
    wait: Duration,
    timeout: Duration,
    cancels: Arc<Semaphore>,
}

/// Adds the options of every connection: timeouts, which detect a server that vanished, and the application name.
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
    /// Opens no connection yet. `timeout` limits a query together with the wait for its connection. A query has one plan for
    /// all values: for look-ups by key.
    pub fn new(database: &Endpoint, limits: PoolLimits, size: usize, timeout: Duration) -> Result<Self, Error> {
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
            begin: begin("force_generic_plan"),
            wait: limits.wait,
            timeout,
            cancels: Arc::new(Semaphore::new(MAX_CONCURRENT_CANCELS)),
        })
    }

    /// Plans every query for its values: for filters, most of which are null.
    pub fn with_custom_plans(self) -> Self {
        Self { begin: begin("force_custom_plan"), ..self }
    }

    /// Runs a query in its own transaction with this pool's plans, in one round trip.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        let deadline = Instant::now() + self.timeout;
        self.on_connection(deadline, async |client| {
            let statement = client.prepare_cached(sql).await.map_err(not_sent)?;
            // All three are sent at once, so a caller that gives up leaves no transaction open.
            let (begun, rows, committed) = tokio::join!(
                client.batch_execute(&self.begin),
                client.query(&statement, parameters),
                client.batch_execute("commit")
            );
            begun?;
            let rows = rows?;
            committed?;
            Ok(rows)
        })
        .await
    }

    /// Runs a query that changes nothing, with one retry.
    pub async fn read(&self, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        // Boxed, because every HTTP connection has room for the largest handler, and this future would triple it.
        let is_retryable = |error: &QueryError| error.is_stale() || matches!(error, QueryError::Lost(_));
        retry(is_retryable, || Box::pin(self.query(sql, parameters))).await
    }

    /// Calls a function that sets its own plans. Retries once if the server executed nothing.
    pub async fn call(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        retry(QueryError::is_stale, || self.on_connection(deadline, async |client| call(client, sql, parameters).await))
            .await
    }

    /// Closes the connection if `work` breaks it or misses the deadline.
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

    /// An idle connection, or a new one.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Object, QueryError> {
        let deadline = deadline.min(Instant::now() + self.wait);
        match timeout_at(deadline, self.connections.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(PoolError::Backend(error))) => Err(QueryError::Unreachable(error.into())),
            Ok(Err(error)) => Err(QueryError::Unreachable(error.into())),
            Err(_) => Err(QueryError::Unreachable("no connection to the database was free in time".into())),
        }
    }

    /// Also closes the idle connections, which are probably as broken as this one, and cancels a query that timed out.
    pub(super) fn discard(&self, client: &ClientWrapper, error: &QueryError) {
        self.connections.retain(|_, _| false);
        let QueryError::TimedOut = error else { return };
        let Ok(permit) = self.cancels.clone().try_acquire_owned() else { return };
        let (endpoint, token) = (self.endpoint.clone(), client.cancel_token());
        tokio::spawn(async move {
            let _permit = permit;
            // If this fails, the query ends by itself or when the server notices the closed connection.
            let _ = timeout(CANCEL_TIMEOUT, endpoint.cancel(&token)).await;
        });
    }

    pub fn status(&self) -> Status {
        self.connections.status()
    }

    /// Closes the idle connections and opens no more.
    pub fn close(&self) {
        self.connections.close();
    }
}

/// Begins a transaction that allows only plans that look rows up in an index. Statistics are no basis for a plan here:
/// those of an empty table are wrong as soon as it grows. The settings are local, so they also work with a pooler.
fn begin(plan_cache_mode: &str) -> String {
    format!(
        "begin; set local plan_cache_mode = {plan_cache_mode}; set local jit = off;
         set local enable_seqscan = off; set local enable_hashjoin = off;
         set local enable_mergejoin = off; set local enable_bitmapscan = off"
    )
}

/// Runs one statement in its own transaction.
pub(super) async fn call(client: &ClientWrapper, sql: &str, parameters: Parameters<'_>) -> QueryResult {
    let statement = client.prepare_cached(sql).await.map_err(not_sent)?;
    Ok(client.query(&statement, parameters).await?)
}

/// An error while the statement was prepared.
fn not_sent(error: tokio_postgres::Error) -> QueryError {
    match QueryError::from(error) {
        QueryError::Lost(cause) => QueryError::StaleConnection(cause),
        other => other,
    }
}

/// The digest of a deploy as a parameter of PostgreSQL's type `uuid`, which has 16 bytes.
#[derive(Debug)]
pub struct DeployDigest(pub [u8; 16]);

impl ToSql for DeployDigest {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}
