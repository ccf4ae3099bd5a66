//! The database that a command uses: the configured one, or the private PostgreSQL.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::result::CommandError;
use crate::config::{Config, Database};
use crate::database::migrate::{self, MigrateError};
use crate::database::{Endpoint, connect_options};
use crate::embedded::{Access, Cluster};
use crate::signal::Shutdown;

/// PostgreSQL can pause for long while it stores many rows.
const BULK_TIMEOUT: Duration = Duration::from_secs(120);

pub struct CommandDatabase {
    pub endpoint: Endpoint,
    cluster: Option<Cluster>,
}

impl CommandDatabase {
    /// Runs the work with the database. `access` concerns the private PostgreSQL.
    pub async fn with<T>(
        config: &Config,
        access: Access,
        work: impl AsyncFnOnce(&Self) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let database = Self::open(config, access).await?;
        let result = work(&database).await;
        database.close().await;
        result
    }

    pub async fn open(config: &Config, access: Access) -> Result<Self, CommandError> {
        let (endpoint, cluster) = match &config.database {
            Database::External(endpoint) => ((**endpoint).clone(), None),
            Database::Embedded(dir) => {
                let cluster = Cluster::start(dir, access).await.map_err(CommandError::no_database)?;
                (Endpoint::plain(cluster.config.clone()), Some(cluster))
            }
        };
        Ok(Self { endpoint: connect_options(&endpoint, config.pool), cluster })
    }

    /// Runs the work on one connection. A signal cancels the work, and the transaction is rolled back.
    pub async fn run<T>(
        config: &Config,
        access: Access,
        work: impl AsyncFnOnce(&mut Client) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        Self::with(config, access, async move |database| {
            let mut shutdown = Shutdown::catch().map_err(CommandError::failed)?;
            let mut endpoint = database.endpoint.clone();
            endpoint.config.tcp_user_timeout(BULK_TIMEOUT);
            let (mut client, connection) = connect(&endpoint).await.map_err(CommandError::no_database)?;
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
        })
        .await
    }

    /// Brings the schema up to date and returns the number of migrations that were run.
    pub async fn migrate(&self, progress: &(dyn Fn(&str) + Sync)) -> Result<usize, MigrateError> {
        let (mut client, connection) = connect(&self.endpoint).await?;
        let count = migrate::run(&mut client, progress).await;
        drop(client);
        let _ = connection.await;
        count
    }

    /// A private PostgreSQL was created for this command.
    pub fn is_new(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.is_new)
    }

    /// Whether the disk of the private PostgreSQL is full.
    pub fn is_disk_full(&self) -> Arc<AtomicBool> {
        self.cluster.as_ref().map(|cluster| cluster.is_disk_full.clone()).unwrap_or_default()
    }

    /// Stops the private PostgreSQL if it was started for this command.
    pub async fn close(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// Fails if the database cannot store every text.
async fn connect(endpoint: &Endpoint) -> Result<(Client, JoinHandle<()>), MigrateError> {
    let (client, connection) = endpoint.connect().await?;
    let answer = client.simple_query("show server_encoding").await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    match row {
        Some("UTF8") | None => Ok((client, connection)),
        Some(encoding) => Err(format!(
            "the encoding of the database is {encoding}, but deploylog needs UTF8: create another database with \
             create database NAME encoding 'UTF8' template template0"
        )
        .into()),
    }
}
