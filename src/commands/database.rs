//! The database that a command works on.

use std::time::Duration;

use tokio_postgres::Client;

use super::{FAILED, Failure, NO_DATABASE};
use crate::{
    config::{Config, Database},
    database::migrate::{self, MigrateError},
    database::{Endpoint, connect_options},
    embedded::Cluster,
    signal::Shutdown,
};

/// The named database, or the private one: that of the service which runs beside, else started for the command.
pub struct Opened {
    /// How to connect.
    pub endpoint: Endpoint,
    cluster: Option<Cluster>,
}

impl Opened {
    pub async fn open(settings: &Config) -> Result<Self, Failure> {
        let cluster = match &settings.database {
            Database::External(_) => None,
            Database::Embedded(dir) => {
                Some(Cluster::join_or_start(dir).await.map_err(|error| Failure::new(NO_DATABASE, error.to_string()))?)
            }
        };
        let endpoint = connect_options(&endpoint(&settings.database, cluster.as_ref()), settings.pool);
        Ok(Self { endpoint, cluster })
    }

    /// Does something that takes long, to its end or until the process is asked to end: then nothing of it is done.
    pub async fn work<T>(&self, work: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut shutdown = Shutdown::catch().map_err(|error| Failure::new(FAILED, error.to_string()))?;
        let mut endpoint = self.endpoint.clone();
        // Who takes in very much stands still for a while now and then.
        endpoint.config.tcp_user_timeout(Duration::from_secs(120));
        let (mut client, connection) = endpoint
            .connect()
            .await
            .map_err(|error| Failure::new(NO_DATABASE, MigrateError::from(error).to_string()))?;
        let result = tokio::select! {
            result = work(&mut client) => result,
            signal = shutdown.requested() => {
                connection.abort();
                Err(Failure::new(FAILED, format!("{signal}: stopped before it was done")))
            }
        };
        drop(client);
        let _ = connection.await;
        result
    }

    /// Stops what was started for it.
    pub async fn close(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// How to connect to it.
pub fn endpoint(database: &Database, cluster: Option<&Cluster>) -> Endpoint {
    match (database, cluster) {
        (Database::External(endpoint), _) => (**endpoint).clone(),
        (Database::Embedded(_), Some(cluster)) => Endpoint::plain(cluster.config()),
        (Database::Embedded(_), None) => Endpoint::plain(tokio_postgres::Config::new()),
    }
}

/// Why the database cannot be used: for now, or as things are.
pub enum Attempt {
    Again(String),
    Never(String),
}

impl From<Attempt> for Failure {
    /// As it is told where nobody tries again.
    fn from((Attempt::Again(sentence) | Attempt::Never(sentence)): Attempt) -> Self {
        Self::new(NO_DATABASE, sentence)
    }
}

impl From<MigrateError> for Attempt {
    fn from(error: MigrateError) -> Self {
        let sentence = error.to_string();
        if error.is_passing() { Self::Again(sentence) } else { Self::Never(sentence) }
    }
}

/// Brings the schema up to date. Answers how many steps were taken.
pub async fn migrate(database: &Endpoint, progress: &(dyn Fn(&str) + Sync)) -> Result<usize, Attempt> {
    let (mut client, connection) = database.connect().await.map_err(MigrateError::from)?;
    let steps = migrate::run(&mut client, progress).await;
    drop(client);
    let _ = connection.await;
    Ok(steps?)
}
