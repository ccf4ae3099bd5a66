//! A pipelined connection: a query is sent before the results of earlier ones arrive. The server executes them in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_postgres::{ClientWrapper, Object};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::pool::{self, Parameters, Pool, QueryResult};
use super::query_error::{QueryError, retry};

/// Opens its connection at the first query, and a new one after the connection broke.
pub struct Pipeline {
    pool: Pool,
    connection: Mutex<Option<Arc<PipelinedConnection>>>,
}

struct PipelinedConnection {
    client: ClientWrapper,
    /// Set when a query missed its deadline. The queries in flight on the connection then fail, too.
    is_abandoned: watch::Sender<bool>,
}

impl Pipeline {
    /// The pool must serve this pipeline only.
    pub fn new(pool: Pool) -> Self {
        Self { pool, connection: Mutex::default() }
    }

    /// Sends a query after those in flight. Retries once if the server executed nothing. A query that misses its deadline
    /// closes the connection, and those in flight fail, too.
    pub async fn query_pipelined(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        retry(QueryError::is_stale, || self.query_once(deadline, sql, parameters)).await
    }

    async fn query_once(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        let connection = self.connection(deadline).await?;
        let mut is_abandoned = connection.is_abandoned.subscribe();
        let result = tokio::select! {
            biased;
            result = pool::call(&connection.client, sql, parameters) => result,
            _ = is_abandoned.wait_for(|is_abandoned| *is_abandoned) => {
                Err(QueryError::Lost("an earlier query on the connection missed its deadline".into()))
            }
            () = sleep_until(deadline) => Err(QueryError::TimedOut),
        };
        if let Err(error) = &result
            && error.breaks_connection()
        {
            self.current().take_if(|current| Arc::ptr_eq(current, &connection));
            if matches!(error, QueryError::TimedOut) {
                connection.is_abandoned.send_replace(true);
                let (endpoint, token) = (self.pool.endpoint().clone(), connection.client.cancel_token());
                tokio::spawn(async move { endpoint.cancel(&token).await });
            }
        }
        result
    }

    async fn connection(&self, deadline: Instant) -> Result<Arc<PipelinedConnection>, QueryError> {
        let usable = |connection: &Option<Arc<PipelinedConnection>>| {
            connection.clone().filter(|connection| !connection.client.is_closed())
        };
        if let Some(connection) = usable(&self.current()) {
            return Ok(connection);
        }
        let client = Object::take(self.pool.connection(deadline).await?);
        let opened = || Arc::new(PipelinedConnection { client, is_abandoned: watch::Sender::new(false) });
        let mut current = self.current();
        // Another query may have opened one meanwhile.
        let connection = usable(&current).unwrap_or_else(opened);
        Ok(current.insert(connection).clone())
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<PipelinedConnection>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_open(&self) -> bool {
        self.current().is_some()
    }

    /// Closes the connection and opens no more.
    pub fn close(&self) {
        self.current().take();
        self.pool.close();
    }
}
