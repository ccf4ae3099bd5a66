//! Pooled connections. Every wait has a deadline, and a broken connection is never used again.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::{BufMut as _, BytesMut};
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, Status};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
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

/// How long before its deadline a query that only reads is cancelled, at most. The server's reply to that shows whether
/// it was executing the query. A write has no such reply: after a cancelled wait for a standby it reports success.
const CANCEL_GRACE: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Connections for requests, at least 5.
    pub size: usize,
    /// How long a request waits for a free connection.
    pub wait: Duration,
    /// How long opening a connection can take.
    pub connect: Duration,
    /// How long a report can take, and a list if that is shorter.
    pub statement: Duration,
}

pub struct Pool {
    connections: deadpool_postgres::Pool,
    endpoint: Arc<Endpoint>,
    /// Begins a transaction with the pool's plans.
    begin: String,
    wait: Duration,
    timeout: Duration,
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
        })
    }

    /// Plans every query for its values: for filters, most of which are null.
    pub fn with_custom_plans(self) -> Self {
        Self { begin: begin("force_custom_plan"), ..self }
    }

    /// Runs a query in its own transaction with this pool's plans, in one round trip.
    pub async fn query(&self, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        self.query_until(Instant::now() + self.timeout, Duration::ZERO, sql, parameters).await
    }

    async fn query_until(
        &self,
        deadline: Instant,
        grace: Duration,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> QueryResult {
        self.on_connection(deadline, grace, async |client| {
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
        let (deadline, grace) = (Instant::now() + self.timeout, CANCEL_GRACE.min(self.timeout / 4));
        // Boxed, because every HTTP connection has room for the largest handler, and this future would triple it.
        let is_retryable = |error: &QueryError| error.is_stale() || matches!(error, QueryError::Lost(_));
        retry(is_retryable, || Box::pin(self.query_until(deadline, grace, sql, parameters))).await
    }

    /// Calls a function that sets its own plans. Retries once if the server executed nothing.
    pub async fn call(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        let call = async |client: &ClientWrapper| call(client, sql, parameters).await;
        retry(QueryError::is_stale, || self.on_connection(deadline, Duration::ZERO, call)).await
    }

    /// If the caller leaves or the deadline passes, the query is cancelled and its connection is closed. `grace` before the
    /// deadline it is cancelled, too, and the reply of the server is awaited.
    async fn on_connection<T>(
        &self,
        deadline: Instant,
        grace: Duration,
        work: impl AsyncFnOnce(&ClientWrapper) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        let lease = Lease { client: Some(self.connection(deadline).await?), endpoint: self.endpoint.clone() };
        let (result, is_over) = {
            let Some(client) = &lease.client else { return Err(QueryError::TimedOut) };
            let mut work = pin!(work(client));
            match timeout_at(deadline - grace, &mut work).await {
                Ok(result) => (result, true),
                Err(_) if grace.is_zero() => (Err(QueryError::TimedOut), false),
                Err(_) => {
                    let token = client.cancel_token();
                    let cancelled = async { tokio::join!(self.endpoint.cancel(&token), work).1 };
                    let result = match timeout_at(deadline, cancelled).await {
                        Ok(Err(QueryError::Cancelled(_))) => Err(QueryError::TooSlow),
                        Ok(result) => result,
                        Err(_) => Err(QueryError::TimedOut),
                    };
                    // Never used again, because a late cancellation could hit the next query.
                    (result, false)
                }
            }
        };
        let is_broken = result.as_ref().is_err_and(QueryError::breaks_connection);
        match is_over.then(|| lease.end()) {
            Some(client) if is_broken => drop(client.map(Object::take)),
            _ => {}
        }
        if is_broken {
            // The idle connections are probably as broken as this one.
            self.connections.retain(|_, _| false);
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

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub fn status(&self) -> Status {
        self.connections.status()
    }

    /// Closes the idle connections and opens no more.
    pub fn close(&self) {
        self.connections.close();
    }
}

/// A connection in use. Dropped before its [`Lease::end`], it cancels its query, and only then leaves its place in the pool
/// to a new connection: so the server never executes more queries than the pool has connections.
struct Lease {
    client: Option<Object>,
    endpoint: Arc<Endpoint>,
}

impl Lease {
    /// The connection, which executes nothing.
    fn end(mut self) -> Option<Object> {
        self.client.take()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(client) = self.client.take().filter(|client| !client.is_closed()) else { return };
        let endpoint = self.endpoint.clone();
        // At the end of the process there is no runtime any more, and the connection just closes.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            endpoint.cancel(&client.cancel_token()).await;
            drop(Object::take(client));
        });
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
