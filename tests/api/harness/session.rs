//! A connection to the database that is kept open: for a transaction that stands in the service's way.

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use super::Database;

/// Ends, and rolls back, when it goes.
pub struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    pub fn open(database: &Database) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let config: tokio_postgres::Config = database.url().parse().unwrap();
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    /// Runs SQL in this session.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}
