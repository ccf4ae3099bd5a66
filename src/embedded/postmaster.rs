//! A running `postgres`: waits until it accepts connections, waits for its exit, or stops it.

use std::{fs, path::PathBuf, time::Duration};

use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{Config, NoTls, error::SqlState};

use super::account::{failure_reason, kill};
use super::directory::Directory;
use crate::error::Cause;

pub const POLL: Duration = Duration::from_millis(20);
/// After the first second. Each poll costs PostgreSQL a process and a line of its log.
const SLOW_POLL: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The signals for a fast shutdown with a checkpoint and for an immediate one, and how long each can take.
const STOP_TIMEOUTS: [(&str, Duration); 2] = [("INT", Duration::from_secs(60)), ("QUIT", Duration::from_secs(10))];

/// Killed when dropped.
pub struct Postmaster {
    child: Child,
    startup_log: PathBuf,
    log: PathBuf,
}

impl Postmaster {
    pub fn new(child: Child, directory: &Directory) -> Self {
        Self { child, startup_log: directory.startup_log(), log: directory.cluster().join("log") }
    }

    /// Waits until it accepts connections, however long a recovery takes. Fails if it exits.
    pub async fn ready(&mut self, config: &Config) -> Result<(), Cause> {
        let began = Instant::now();
        loop {
            tokio::select! {
                reason = self.exit() => return Err(reason.into()),
                is_ready = accepts_connections(config) => if is_ready? { return Ok(()) },
            }
            sleep(if began.elapsed() < Duration::from_secs(1) { POLL } else { SLOW_POLL }).await;
        }
    }

    /// Waits for its exit and returns the reason.
    pub async fn exit(&mut self) -> String {
        let status = self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let output = fs::read_to_string(&self.startup_log).unwrap_or_default();
        match failure_reason(&output) {
            Some(reason) => format!("PostgreSQL exited ({status}): {reason}"),
            None => format!("PostgreSQL exited ({status}): see its log in {}", self.log.display()),
        }
    }

    /// Closes its connections, stops it and waits for its exit.
    pub async fn stop(&mut self) {
        for (signal, limit) in STOP_TIMEOUTS {
            let Some(process) = self.child.id() else { return };
            if kill(signal, &process.to_string()) && timeout(limit, self.child.wait()).await.is_ok() {
                return;
            }
            tracing::warn!("PostgreSQL (process {process}) did not stop within {limit:?} after SIG{signal}");
        }
        let _ = self.child.kill().await;
    }
}

/// False if no PostgreSQL runs, or it is starting, recovering or stopping. Fails if it rejects the connection.
pub async fn accepts_connections(config: &Config) -> Result<bool, Cause> {
    match timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await {
        Ok(Err(error)) => match error.as_db_error() {
            Some(reason) if *reason.code() != SqlState::CANNOT_CONNECT_NOW => {
                Err(format!("PostgreSQL rejects the connection: {}", reason.message()).into())
            }
            _ => Ok(false),
        },
        connected => Ok(connected.is_ok()),
    }
}
