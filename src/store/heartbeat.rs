//! Periodic work on the database for all processes: each process shows `restore` that it is running, and ends sessions
//! whose client vanished during a write.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use super::rows::sql;
use crate::database::{Pool, QueryError};
use crate::error::Error;

/// The pause between two checks of sessions.
const PAUSE: Duration = Duration::from_secs(2);
/// How often the row is written. `restore` takes a process whose row is older than a minute as ended.
const PAUSES_PER_WRITE: u32 = 7;
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// This process' row in `heartbeats`.
pub struct Heartbeat {
    maintenance: Arc<Pool>,
    process: String,
}

impl Heartbeat {
    /// Writes the row. A restore in progress delays this until it ends.
    pub async fn start(maintenance: &Arc<Pool>) -> Result<Self, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(error.to_string().into()))?;
        let process = format!("{:032x}", u128::from_be_bytes(random));
        let heartbeat = Self { maintenance: maintenance.clone(), process };
        heartbeat.write().await?;
        Ok(heartbeat)
    }

    /// Keeps the row current and ends abandoned sessions, forever.
    pub async fn run(self: Arc<Self>) {
        for count in 0_u32.. {
            let written = if count % PAUSES_PER_WRITE == 0 { self.write().await } else { Ok(()) };
            if let Err(error) = written.and(self.end_sessions().await) {
                tracing::debug!(error = %error.to_error(), "the heartbeat was not written, or abandoned sessions were not ended");
            }
            sleep(PAUSE).await;
        }
    }

    async fn write(&self) -> Result<(), QueryError> {
        self.maintenance.query(sql!("heartbeat_write"), &[&self.process]).await.map(drop)
    }

    async fn end_sessions(&self) -> Result<(), QueryError> {
        let ended = self.maintenance.query(sql!("sessions_end"), &[]).await?;
        if !ended.is_empty() {
            tracing::warn!("ended {} sessions whose client vanished during a write", ended.len());
        }
        Ok(())
    }

    /// Deletes the row if the database is available.
    pub async fn stop(&self) {
        let _ = timeout(STOP_TIMEOUT, self.maintenance.query(sql!("heartbeat_delete"), &[&self.process])).await;
    }
}
