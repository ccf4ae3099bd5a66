//! A database session that stays open, for transactions that hold locks while the service works.

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// Rolls back an open transaction when dropped.
pub struct Session {
    runtime: Runtime,
    client: Client,
}

impl Session {
    pub fn open(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let config: tokio_postgres::Config = url.parse().unwrap();
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Self { runtime, client }
    }

    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.query(sql);
    }

    /// Runs SQL that must fail, and returns the database's error message.
    #[track_caller]
    pub fn execute_error(&self, sql: &str) -> String {
        match self.runtime.block_on(self.client.simple_query(sql)) {
            Ok(_) => panic!("the statement succeeded: {sql}"),
            Err(error) => error.as_db_error().unwrap_or_else(|| panic!("{error}")).message().to_owned(),
        }
    }

    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<SimpleQueryRow> {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.collect()
    }
}
