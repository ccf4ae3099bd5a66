//! Tests that new connections can be opened. Pooled ones outlive a deleted socket or a revoked right to connect.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::endpoint::Endpoint;
use super::pool::PoolLimits;
use crate::error::Chained;

/// A success counts for this long.
const INTERVAL: Duration = Duration::from_secs(5);

pub struct Probe {
    endpoint: Endpoint,
    timeout: Duration,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Probe {
    pub fn new(endpoint: &Endpoint, limits: PoolLimits) -> Self {
        Self { endpoint: endpoint.clone(), timeout: limits.connect, last: Mutex::default() }
    }

    /// Opens a connection, unless the last one is recent. Simultaneous calls share one connection.
    pub async fn check(&self) -> Result<(), String> {
        let called = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((at, result)) = &*last
            && (*at >= called || result.is_ok() && at.elapsed() < INTERVAL)
        {
            return result.clone();
        }
        let result = match timeout(self.timeout, self.endpoint.connect()).await {
            Ok(connected) => connected.map(drop).map_err(|error| Chained(&error).to_string()),
            Err(_) => Err(format!("opening a connection took longer than {:?}", self.timeout)),
        };
        *last = Some((Instant::now(), result.clone()));
        result
    }
}
