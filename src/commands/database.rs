//! The database that a command uses: the configured one, or the private PostgreSQL.

use std::{path::Path, time::Duration};

use tokio_postgres::Client;

use super::result::CommandError;
use crate::{
    config::{Config, Database},
    database::migrate::{self, MigrateError},
    database::{Endpoint, connect_options},
    embedded::Cluster,
    error::Cause,
    signal::Shutdown,
};

/// PostgreSQL can pause for long while it stores many rows.
const BULK_TIMEOUT: Duration = Duration::from_secs(120);

pub struct CommandDatabase {
    pub endpoint: Endpoint,
    cluster: Option<Cluster>,
}

impl CommandDatabase {
    /// Uses the private PostgreSQL of a running service, or starts it for the command.
    pub async fn open(config: &Config) -> Result<Self, CommandError> {
        Self::open_by(config, Cluster::join_or_start).await
    }

    /// `start` starts the private PostgreSQL in a data directory.
    pub async fn open_by(
        config: &Config,
        start: impl AsyncFnOnce(&Path) -> Result<Cluster, Cause>,
    ) -> Result<Self, CommandError> {
        let (endpoint, cluster) = match &config.database {
            Database::External(endpoint) => ((**endpoint).clone(), None),
            Database::Embedded(dir) => {
                let cluster = start(dir).await.map_err(CommandError::no_database)?;
                (Endpoint::plain(cluster.config()), Some(cluster))
            }
        };
        Ok(Self { endpoint: connect_options(&endpoint, config.pool), cluster })
    }

    /// Runs the work on one connection. A signal cancels the work, and the transaction is rolled back.
    pub async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut shutdown = Shutdown::catch().map_err(CommandError::failed)?;
        let mut endpoint = self.endpoint.clone();
        endpoint.config.tcp_user_timeout(BULK_TIMEOUT);
        let (mut client, connection) = endpoint.connect().await.map_err(CommandError::no_database)?;
        let result = tokio::select! {
            result = work(&mut client) => result,
            signal = shutdown.requested() => {
                connection.abort();
                Err(CommandError::failed(format!("{signal}: stopped before the end, nothing is changed")))
            }
        };
        drop(client);
        let _ = connection.await;
        result
    }

    /// Brings the schema up to date and returns the number of migrations that were run.
    pub async fn migrate(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<usize, MigrateError> {
        let (mut client, connection) = self.endpoint.connect().await?;
        let count = migrate::run(&mut client, progress).await;
        drop(client);
        let _ = connection.await;
        count
    }

    /// Stops the private PostgreSQL if it was started for this command.
    pub async fn close(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}
