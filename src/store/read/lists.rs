//! Connections for lists and for exports.

use std::{sync::Arc, time::Duration};

use tokio_postgres::Row;

use crate::database::{OwnedParameter, Parameters, Pool, QueryError, QueryResult, SingleFlight};
use crate::domain::filter::Filter;
use crate::error::Error;

pub struct Lists {
    pool: Arc<Pool>,
    /// For queries that find their rows by an index.
    quick: SingleFlight,
    /// For queries that can pass over many rows. They leave a connection to the others.
    walks: SingleFlight,
}

impl Lists {
    /// A query waits at most `wait` until it is sent.
    pub fn new(pool: &Arc<Pool>, wait: Duration) -> Self {
        let size = pool.status().max_size;
        Self {
            quick: SingleFlight::new(pool, size, wait),
            walks: SingleFlight::new(pool, (size - 1).max(1), wait),
            pool: pool.clone(),
        }
    }

    /// Runs a query that finds its rows by an index.
    pub async fn read(&self, sql: &'static str, parameters: Vec<OwnedParameter>) -> Result<Arc<Vec<Row>>, Error> {
        Ok(self.quick.read(sql, parameters).await?)
    }

    /// Runs a query with a filter, which finds its rows by an index or passes over those that do not match.
    pub async fn find(
        &self,
        filter: &Filter,
        has_index: bool,
        sql: &'static str,
        parameters: Vec<OwnedParameter>,
    ) -> Result<Arc<Vec<Row>>, Error> {
        let queries = if has_index { &self.quick } else { &self.walks };
        let found = queries.read(sql, parameters).await;
        found.map_err(|error| if matches!(*error, QueryError::TooSlow) { too_broad(filter) } else { error.into() })
    }

    /// Reads rows by their keys.
    pub async fn rows(&self, sql: &str, parameters: Parameters<'_>) -> QueryResult {
        self.pool.read(sql, parameters).await
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}

fn too_broad(filter: &Filter) -> Error {
    let names: Vec<_> = filter.texts().into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
    let list = if names.is_empty() { "this list".to_owned() } else { format!("a search by {}", names.join(" and ")) };
    let advice = "add component, version or run, or a shorter time between since and until";
    Error::TooSlow(format!("{list} takes too long: {advice}").into())
}
