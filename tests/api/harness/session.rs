//! A connection to the database that is kept open: for a transaction that stands in the service's way.

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

/// Ends, and rolls back, when it goes.
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

    /// Runs SQL in this session.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        self.rows(sql);
    }

    /// Runs SQL in this session that the database refuses, and answers why.
    #[track_caller]
    pub fn refused(&self, sql: &str) -> String {
        match self.runtime.block_on(self.client.simple_query(sql)) {
            Ok(_) => panic!("not refused: {sql}"),
            Err(error) => error.as_db_error().unwrap_or_else(|| panic!("{error}")).message().to_owned(),
        }
    }

    /// Runs SQL in this session and answers its rows.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<SimpleQueryRow> {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.collect()
    }
}
