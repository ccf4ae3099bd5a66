//! Identical concurrent queries run once, for lists and reports.
//!
//! A query joins an identical one that waits, never one in flight: that one can have started before a record was
//! acknowledged that the client expects to find. So of identical queries at most one is in flight, and all later ones
//! share the next. A query is cancelled when the last request that waits for it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, WeakShared},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::timeout,
};
use tokio_postgres::{Row, types::ToSql};

use super::pool::{Parameter, Pool};
use super::query_error::QueryError;

/// The value of a parameter of a query that can outlive its request.
pub type OwnedParameter = Box<dyn ToSql + Send + Sync>;

type SharedResult = Result<Arc<Vec<Row>>, Arc<QueryError>>;

/// Runs queries in a limited number of slots.
pub struct SingleFlight {
    pool: Arc<Pool>,
    slots: Arc<Semaphore>,
    /// How long a query waits for a slot.
    wait: Duration,
    flights: Arc<Flights>,
}

/// By the text of a query and its parameters.
#[derive(Default)]
struct Flights(Mutex<HashMap<String, Flight>>);

#[derive(Default)]
struct Flight {
    /// Held by the query in flight.
    turn: Arc<AsyncMutex<()>>,
    /// The query that waits for its turn.
    next: Option<WeakShared<BoxFuture<'static, SharedResult>>>,
}

impl SingleFlight {
    pub fn new(pool: &Arc<Pool>, slots: usize, wait: Duration) -> Self {
        Self { pool: pool.clone(), slots: Arc::new(Semaphore::new(slots)), wait, flights: Arc::default() }
    }

    /// Runs a query that changes nothing.
    pub async fn read(&self, sql: &'static str, parameters: Vec<OwnedParameter>) -> SharedResult {
        let key = format!("{sql:p} {parameters:?}");
        let query = {
            let mut flights = self.flights.lock();
            let flight = flights.entry(key.clone()).or_default();
            let waiting = flight.next.as_ref().and_then(WeakShared::upgrade);
            waiting.unwrap_or_else(|| {
                let query = self.query(key, flight.turn.clone(), sql, parameters).shared();
                flight.next = query.downgrade();
                query
            })
        };
        timeout(self.pool.timeout(), query).await.unwrap_or_else(|_| Err(Arc::new(QueryError::TimedOut)))
    }

    fn query(
        &self,
        key: String,
        turn: Arc<AsyncMutex<()>>,
        sql: &'static str,
        parameters: Vec<OwnedParameter>,
    ) -> BoxFuture<'static, SharedResult> {
        let (pool, slots, wait) = (self.pool.clone(), self.slots.clone(), self.wait);
        let flight = FlightGuard { key, turn, flights: self.flights.clone() };
        Box::pin(async move {
            let flight = flight;
            let _turn = flight.turn.clone().lock_owned().await;
            if let Some(current) = flight.flights.lock().get_mut(&flight.key) {
                current.next = None;
            }
            let Ok(Ok(_slot)) = timeout(wait, slots.acquire()).await else {
                return Err(Arc::new(QueryError::Overloaded("earlier queries take too long".into())));
            };
            let parameters: Vec<Parameter> = parameters.iter().map(|value| &**value as Parameter).collect();
            pool.read(sql, &parameters).await.map(Arc::new).map_err(Arc::new)
        })
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by each query that waits or is in flight. The last one removes the flight.
struct FlightGuard {
    key: String,
    turn: Arc<AsyncMutex<()>>,
    flights: Arc<Flights>,
}

impl Drop for FlightGuard {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // The flight has one reference to its turn, and each guard has one.
        if flights.get(&self.key).is_some_and(|flight| Arc::strong_count(&flight.turn) == 2) {
            flights.remove(&self.key);
        }
    }
}
