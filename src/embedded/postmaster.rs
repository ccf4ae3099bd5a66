//! One postmaster: waiting for its answer, for its end, and stopping it.

use std::{fs, path::PathBuf, time::Duration};

use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{Config, NoTls, error::SqlState};

use super::{EmbeddedError, POLL, account::last_words, directory::Directory, server::Server};

/// How long one attempt to connect may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How often to ask one that takes longer than a second: each answer costs PostgreSQL a process and a line of its log.
const SLOW_POLL: Duration = Duration::from_millis(200);
/// How long the last checkpoint, and after that a stop without one, may take.
const STOP_PATIENCE: [(&str, Duration); 2] = [("INT", Duration::from_secs(60)), ("QUIT", Duration::from_secs(10))];

/// A running `postgres`, which is killed when this is dropped.
pub struct Postmaster {
    child: Child,
    startup_log: PathBuf,
    log: PathBuf,
}

impl Postmaster {
    pub fn new(child: Child, directory: &Directory) -> Postmaster {
        Postmaster { child, startup_log: directory.startup_log(), log: directory.log() }
    }

    /// Waits until it answers, however long a recovery takes; fails when it ends instead.
    pub async fn answer(&mut self, config: &Config) -> Result<(), EmbeddedError> {
        let began = Instant::now();
        loop {
            tokio::select! {
                reason = self.end() => return Err(EmbeddedError(reason)),
                answered = answers(config) => if answered? { return Ok(()) },
            }
            sleep(if began.elapsed() < Duration::from_secs(1) { POLL } else { SLOW_POLL }).await;
        }
    }

    /// Waits until it ends, and tells why it did.
    pub async fn end(&mut self) -> String {
        let status = self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let output = fs::read_to_string(&self.startup_log).unwrap_or_default();
        match last_words(&output) {
            Some(reason) => format!("PostgreSQL ended ({status}): {reason}"),
            None => format!("PostgreSQL ended ({status}), and its log is in {}", self.log.display()),
        }
    }

    /// Stops it, ending its connections, and waits for its end.
    pub async fn stop(mut self, server: &Server) {
        for (signal, patience) in STOP_PATIENCE {
            let Some(process) = self.child.id() else {
                return;
            };
            match server.signal(signal, process).await {
                Ok(()) if timeout(patience, self.child.wait()).await.is_ok() => return,
                Ok(()) => tracing::warn!("PostgreSQL (process {process}) has not stopped within {patience:?}"),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        let _ = self.child.kill().await;
    }
}

/// Whether PostgreSQL answers: not where none is, nor while it starts, recovers or stops.
pub async fn answers(config: &Config) -> Result<bool, EmbeddedError> {
    match timeout(CONNECT_PATIENCE, config.connect(NoTls)).await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => match error.as_db_error() {
            Some(refusal) if *refusal.code() != SqlState::CANNOT_CONNECT_NOW => {
                Err(EmbeddedError(format!("PostgreSQL refuses deploylog: {}", refusal.message())))
            }
            _ => Ok(false),
        },
        Err(_) => Ok(false),
    }
}
