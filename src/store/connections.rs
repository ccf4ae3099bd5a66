//! Pooled connections: every wait has an end, and none that failed is used again.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolBuilder, PoolError, RecyclingMethod,
    Runtime,
};
use tokio::time::timeout;
use tokio_postgres::{Row, types::ToSql};

pub use super::failure::Failure;
use super::{failure, pulse::Pulse};
use crate::{config::PoolLimits, database::Endpoint, error::Error};

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

/// A connection on which queries stand in line.
struct Line {
    client: ClientWrapper,
    /// The turn of the one that the server works at; whether it did not answer in time.
    turn: tokio::sync::Mutex<bool>,
}

/// A pool of like connections.
pub struct Connections {
    pool: Pool,
    line: Mutex<Option<Arc<Line>>>,
    wait: Duration,
    answer_within: Duration,
    pulse: Arc<Pulse>,
    /// Whether the database stood still when it was last asked: then nobody waits long for a connection, behind others
    /// who have waited.
    is_still: AtomicBool,
}

/// A pool of so many, none opened yet.
fn pool(database: &Endpoint, limits: PoolLimits, size: usize) -> PoolBuilder {
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let endpoint = connect_options(database, limits);
    Pool::builder(Manager::from_connect(endpoint.config.clone(), endpoint, manager))
        .runtime(Runtime::Tokio1)
        .max_size(size)
}

/// Feels whether this database moves.
pub fn pulse(database: &Endpoint, limits: PoolLimits) -> Result<Arc<Pulse>, Error> {
    let pool = pool(database, limits, 1).build().map_err(|error| Error::Internal(error.into()))?;
    Ok(Arc::new(Pulse::new(pool)))
}

impl Connections {
    /// Opens none yet. `plans` is PostgreSQL's `plan_cache_mode` for them.
    pub fn new(
        database: &Endpoint,
        limits: PoolLimits,
        size: usize,
        plans: &str,
        pulse: &Arc<Pulse>,
    ) -> Result<Self, Error> {
        // Statistics are never good enough to choose a plan by: an empty table has none, and it grows. Every query
        // here is one that an index answers row by row.
        let settings = format!(
            "set statement_timeout = {}; set plan_cache_mode = {plans}; set jit = off; set enable_seqscan = off;
             set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off",
            limits.statement.as_millis(),
        );
        let set = Hook::async_fn(move |client: &mut ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let pool =
            pool(database, limits, size).post_create(set).build().map_err(|error| Error::Internal(error.into()))?;
        // The server ends a statement first, where it still can.
        let answer_within = limits.statement + Duration::from_secs(1);
        Ok(Self {
            pool,
            line: Mutex::default(),
            wait: limits.wait,
            answer_within,
            pulse: pulse.clone(),
            is_still: AtomicBool::new(false),
        })
    }

    /// Runs a query once, on a connection of its own for the time.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let client = self.connection().await?;
        let result = self.run(&client, sql, parameters).await;
        if let Err(Failure::Undone(_) | Failure::Lost(_) | Failure::Silent(_)) = &result {
            // Its fellows are as old as it is, and most likely as useless.
            drop(Object::take(client));
            self.drop_idle(&result);
        }
        result
    }

    /// Runs a query once, behind those that were sent this way before: on one connection, where the server finds the next
    /// as soon as it has answered one.
    pub async fn query_in_line(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let standing = self.line().clone().filter(|line| !line.client.is_closed());
        let line = if let Some(line) = standing {
            line
        } else {
            let client = Object::take(self.connection().await?);
            self.line().insert(Arc::new(Line { client, turn: tokio::sync::Mutex::default() })).clone()
        };
        let mut answer = pin!(ask(&line.client, sql, parameters));
        let mut stops = pin!(self.pulse.stops());
        // It is sent at once; its time begins when those before it have had theirs.
        let result = tokio::select! {
            answer = &mut answer => answer,
            () = &mut stops => Err(silent()),
            mut is_silent = line.turn.lock() => {
                let answer = if *is_silent { Err(silent()) } else { self.in_time(answer, stops).await };
                *is_silent = matches!(answer, Err(Failure::Silent(_)));
                answer
            }
        };
        if let Err(Failure::Undone(_) | Failure::Lost(_) | Failure::Silent(_)) = &result {
            self.line().take_if(|standing| Arc::ptr_eq(standing, &line));
            self.drop_idle(&result);
        }
        result
    }

    /// Closes those that are as old as the one that failed so.
    fn drop_idle<T>(&self, result: &Result<T, Failure>) {
        self.is_still.fetch_or(matches!(result, Err(Failure::Silent(_))), Ordering::Relaxed);
        self.pool.retain(|_, _| false);
    }

    fn line(&self) -> MutexGuard<'_, Option<Arc<Line>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<Object, Failure> {
        let wait = if self.is_still.load(Ordering::Relaxed) { self.wait / 2 } else { self.wait };
        match timeout(wait, self.pool.get()).await {
            Ok(Ok(client)) => {
                self.is_still.store(false, Ordering::Relaxed);
                Ok(client)
            }
            Ok(Err(PoolError::Backend(error))) => Err(Failure::Unreachable(error.into())),
            Ok(Err(error)) => Err(Failure::Unreachable(error.into())),
            Err(_) => Err(Failure::Unreachable("no connection to the database was to be had in time".into())),
        }
    }

    async fn run(
        &self,
        client: &ClientWrapper,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        self.in_time(pin!(ask(client, sql, parameters)), pin!(self.pulse.stops())).await
    }

    /// An answer, unless it takes too long or the database stops.
    async fn in_time<T>(
        &self,
        answer: Pin<&mut impl Future<Output = Result<T, Failure>>>,
        stops: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            biased;
            answer = answer => answer,
            _ = timeout(self.answer_within, stops) => Err(silent()),
        }
    }

    /// Runs a query that changes nothing; once more where the connection was of no use.
    pub async fn read(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        // Boxed: a handler that only reads would else be three times as large as one that writes, whose work is a task
        // of its own; and a connection has room for the largest.
        let query = || Box::pin(self.query(sql, parameters));
        match query().await {
            Err(Failure::Undone(_) | Failure::Lost(_)) => query().await,
            result => result,
        }
    }

    /// The same of the one on which queries stand in line.
    pub fn line_status(&self) -> deadpool_postgres::Status {
        let size = usize::from(self.line().is_some());
        deadpool_postgres::Status { max_size: 1, size, available: 0, waiting: 0 }
    }

    /// How many there are, and wait.
    pub fn status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    /// Closes all that are idle, and lets none be opened.
    pub fn close(&self) {
        self.line().take();
        self.pool.close();
        self.pulse.close();
    }
}

async fn ask(client: &ClientWrapper, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(sql).await.map_err(|error| match failure::of(error) {
        Failure::Lost(cause) => Failure::Undone(cause),
        other => other,
    })?;
    client.query(&statement, parameters).await.map_err(failure::of)
}

fn silent() -> Failure {
    Failure::Silent("the database did not answer in time".into())
}
