//! Pooled connections: every wait has an end, and none that failed is used again.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio::time::timeout;
use tokio_postgres::{Row, error::SqlState, types::ToSql};

use crate::{
    config::PoolLimits,
    database::Endpoint,
    error::{Cause, Chained, Error},
};

/// Why a query has no answer.
#[derive(Debug)]
pub enum Failure {
    /// There is no connection to be had: nothing was sent.
    Unreachable(Cause),
    /// The server took nothing of it, and the connection is of no more use.
    Undone(Cause),
    /// Another transaction stood in its way, and the server took nothing of it.
    Collided(Cause),
    /// The server lacks time, room or memory for it now, and took nothing of it.
    Overloaded(Cause),
    /// The connection was lost: nobody knows.
    Lost(Cause),
    /// The database stands still: nobody knows.
    Silent(Cause),
    /// The query is wrong.
    Broken(Cause),
}

impl Failure {
    /// As a request is told of it: the same for each of several.
    #[must_use]
    pub fn share(&self) -> Error {
        let (Self::Unreachable(cause)
        | Self::Undone(cause)
        | Self::Collided(cause)
        | Self::Overloaded(cause)
        | Self::Lost(cause)
        | Self::Silent(cause)
        | Self::Broken(cause)) = self;
        let cause = Chained(cause.as_ref()).to_string().into();
        if matches!(self, Self::Broken(_)) { Error::Internal(cause) } else { Error::Unavailable(cause) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.share()
    }
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
}

impl Connections {
    /// Opens none yet. `plans` is PostgreSQL's `plan_cache_mode` for them.
    pub fn new(database: &Endpoint, limits: PoolLimits, size: usize, plans: &str) -> Result<Self, Error> {
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
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let endpoint = connect_options(database, limits);
        let pool = Pool::builder(Manager::from_connect(endpoint.config.clone(), endpoint, manager))
            .runtime(Runtime::Tokio1)
            .max_size(size)
            .post_create(set)
            .build()
            .map_err(|error| Error::Internal(error.into()))?;
        // The server ends a statement first, where it still can.
        let answer_within = limits.statement + Duration::from_secs(1);
        Ok(Self { pool, line: Mutex::default(), wait: limits.wait, answer_within })
    }

    /// Runs a query once, on a connection of its own for the time.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
        let client = self.connection().await?;
        let result = self.run(&client, sql, parameters).await;
        if let Err(Failure::Undone(_) | Failure::Lost(_) | Failure::Silent(_)) = &result {
            // Its fellows are as old as it is, and most likely as useless.
            drop(Object::take(client));
            self.pool.retain(|_, _| false);
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
        // It is sent at once; its time begins when those before it have had theirs.
        let result = tokio::select! {
            answer = &mut answer => answer,
            mut is_silent = line.turn.lock() => {
                let answer = if *is_silent { None } else { timeout(self.answer_within, answer).await.ok() };
                *is_silent = answer.is_none();
                answer.unwrap_or_else(|| Err(silent()))
            }
        };
        if let Err(Failure::Undone(_) | Failure::Lost(_) | Failure::Silent(_)) = &result {
            self.line().take_if(|standing| Arc::ptr_eq(standing, &line));
            self.pool.retain(|_, _| false);
        }
        result
    }

    fn line(&self) -> MutexGuard<'_, Option<Arc<Line>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self) -> Result<Object, Failure> {
        match timeout(self.wait, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
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
        timeout(self.answer_within, ask(client, sql, parameters)).await.unwrap_or_else(|_| Err(silent()))
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
    }
}

async fn ask(client: &ClientWrapper, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(sql).await.map_err(|error| match failure(error) {
        Failure::Lost(cause) => Failure::Undone(cause),
        other => other,
    })?;
    client.query(&statement, parameters).await.map_err(failure)
}

fn silent() -> Failure {
    Failure::Silent("the database did not answer in time".into())
}

fn failure(error: tokio_postgres::Error) -> Failure {
    let Some(database_error) = error.as_db_error() else {
        return if error.is_closed()
            || std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        {
            Failure::Lost(error.into())
        } else {
            Failure::Broken(error.into())
        };
    };
    let code = database_error.code();
    let is_key = database_error.constraint() == Some("key_is_unique_in_its_component");
    let class = &code.code()[..2];
    if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE || is_key {
        Failure::Collided(error.into())
    } else if *code == SqlState::QUERY_CANCELED || class == "53" {
        Failure::Overloaded(error.into())
    // A plan that a migration or a pooler took away, a fail-over to a server that only reads, a server that ends.
    } else if ["0A000", "26000", "25006"].contains(&code.code()) || class == "57" || class == "08" {
        Failure::Undone(error.into())
    } else {
        Failure::Broken(error.into())
    }
}
