//! One connection on which queries are sent without waiting for the answers to those before them. The server executes
//! them in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deadpool_postgres::ClientWrapper;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_postgres::Row;

use super::{
    QueryError,
    pool::{self, Parameters, Pool},
};

/// A pipelined connection, opened when it is first needed and after it broke.
pub struct Pipeline {
    pool: Pool,
    connection: Mutex<Option<Arc<Connection>>>,
}

struct Connection {
    client: ClientWrapper,
    /// Set once a query on it missed its deadline: then nobody knows what becomes of those behind it.
    is_abandoned: watch::Sender<bool>,
}

impl Pipeline {
    /// Takes its connections from a pool that nobody else uses.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        Self { pool, connection: Mutex::default() }
    }

    /// Runs a statement behind those that were sent before; once more if the connection was unusable and nothing was
    /// executed. If the deadline passes, every query in flight on the connection fails and the connection is closed.
    pub async fn call(&self, deadline: Instant, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, QueryError> {
        match self.call_once(deadline, sql, parameters).await {
            Err(QueryError::StaleConnection(_)) => self.call_once(deadline, sql, parameters).await,
            result => result,
        }
    }

    async fn call_once(
        &self,
        deadline: Instant,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, QueryError> {
        let connection = self.connection(deadline).await?;
        let mut is_abandoned = connection.is_abandoned.subscribe();
        let result = tokio::select! {
            biased;
            answer = pool::call(&connection.client, sql, parameters) => answer,
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
            }
            self.pool.discard(&connection.client, error);
        }
        result
    }

    async fn connection(&self, deadline: Instant) -> Result<Arc<Connection>, QueryError> {
        let usable = |connection: &Option<Arc<Connection>>| {
            connection.clone().filter(|connection| !connection.client.is_closed())
        };
        if let Some(connection) = usable(&self.current()) {
            return Ok(connection);
        }
        let client = self.pool.take(deadline).await?;
        let mut current = self.current();
        // Others may have opened one meanwhile.
        if let Some(connection) = usable(&current) {
            return Ok(connection);
        }
        Ok(current.insert(Arc::new(Connection { client, is_abandoned: watch::Sender::new(false) })).clone())
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection.
    pub fn is_open(&self) -> bool {
        self.current().is_some()
    }

    /// Closes the connection, and lets none be opened.
    pub fn close(&self) {
        self.current().take();
        self.pool.close();
    }
}
