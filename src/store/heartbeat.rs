//! Lets `restore` know that a service uses the database.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    database::{Pool, QueryError},
    error::Error,
};

/// A process that was not seen for a minute is taken for gone.
const TICK: Duration = Duration::from_secs(15);
/// How long the end of the process waits for the database to hear of it.
const GOODBYE: Duration = Duration::from_secs(1);

/// This process' row in `heartbeats`.
pub struct Heartbeat {
    keys: Arc<Pool>,
    process: String,
}

impl Heartbeat {
    /// Writes the row: it waits for a restore that has begun.
    pub async fn start(keys: &Arc<Pool>) -> Result<Self, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(error.to_string().into()))?;
        let heartbeat = Self { keys: keys.clone(), process: format!("{:032x}", u128::from_be_bytes(random)) };
        heartbeat.beat().await?;
        Ok(heartbeat)
    }

    async fn beat(&self) -> Result<(), QueryError> {
        self.keys.query(include_str!("../../sql/heartbeat_write.sql"), &[&self.process]).await.map(drop)
    }

    /// Keeps the row current, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.beat().await {
                tracing::debug!(error = %error.share(), "the heartbeat is late");
            }
        }
    }

    /// Deletes the row, if the database answers.
    pub async fn stop(&self) {
        let sql = include_str!("../../sql/heartbeat_delete.sql");
        let _ = timeout(GOODBYE, self.keys.query(sql, &[&self.process])).await;
    }
}
