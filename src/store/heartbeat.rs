//! What a process does at intervals for all that use the database: it lets `restore` know that it is there, and ends
//! sessions whose client vanished in the middle of a write.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    database::{Pool, QueryError},
    error::Error,
};

/// How often sessions are looked at; every so many times the row is written. One older than a minute counts as ended.
const INTERVAL: Duration = Duration::from_secs(2);
const INTERVALS_PER_WRITE: u32 = 7;
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

    /// Ends sessions that hold locks of components for a client that vanished.
    async fn end_sessions(&self) -> Result<(), QueryError> {
        let ended = self.upkeep.query(include_str!("../../sql/sessions_end.sql"), &[]).await?;
        if !ended.is_empty() {
            tracing::warn!("{} sessions were ended whose client vanished in the middle of a write", ended.len());
        }
        Ok(())
    }

    /// Keeps the row current and watches sessions, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut interval = interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for count in 0_u32.. {
            interval.tick().await;
            let written = if count % INTERVALS_PER_WRITE == 0 { self.write().await } else { Ok(()) };
            if let Err(error) = written.and(self.end_sessions().await) {
                tracing::debug!(error = %error.to_error(), "the heartbeat is late");
            }
        }
    }

    /// Deletes the row, if the database answers.
    pub async fn stop(&self) {
        let sql = include_str!("../../sql/heartbeat_delete.sql");
        let _ = timeout(STOP_TIMEOUT, self.upkeep.query(sql, &[&self.process])).await;
    }
}
