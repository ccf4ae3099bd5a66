//! Lets `restore` know that a service uses the database.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    database::{Pool, QueryError},
    error::Error,
};

/// A process whose row is older than a minute counts as ended.
const INTERVAL: Duration = Duration::from_secs(15);
/// For deleting the row when the process ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// This process' row in `heartbeats`.
pub struct Heartbeat {
    upkeep: Arc<Pool>,
    process: String,
}

impl Heartbeat {
    /// Writes the row: it waits for a restore that has begun.
    pub async fn start(upkeep: &Arc<Pool>) -> Result<Self, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(error.to_string().into()))?;
        let heartbeat = Self { upkeep: upkeep.clone(), process: format!("{:032x}", u128::from_be_bytes(random)) };
        heartbeat.write().await?;
        Ok(heartbeat)
    }

    async fn write(&self) -> Result<(), QueryError> {
        self.upkeep.query(include_str!("../../sql/heartbeat_write.sql"), &[&self.process]).await.map(drop)
    }

    /// Keeps the row current, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut interval = interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Err(error) = self.write().await {
                tracing::debug!(error = %error.share(), "the heartbeat is late");
            }
        }
    }

    /// Deletes the row, if the database answers.
    pub async fn stop(&self) {
        let sql = include_str!("../../sql/heartbeat_delete.sql");
        let _ = timeout(STOP_TIMEOUT, self.upkeep.query(sql, &[&self.process])).await;
    }
}
