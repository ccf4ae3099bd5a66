//! Whether the database moves at all, which is asked of it once an answer takes long: one that takes its time for a
//! statement still answers the smallest question.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use deadpool_postgres::{Object, Pool, PoolError};
use tokio::time::{Instant, sleep, timeout_at};

/// From then on an answer takes long.
const LONG: Duration = Duration::from_millis(750);
/// For the smallest question, a new connection included. Together: who asks is answered within three seconds.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Asks on a connection of its own, which is opened when it is first needed.
pub struct Pulse(Pool);

impl Pulse {
    /// By this pool of one.
    pub fn new(pool: Pool) -> Self {
        Self(pool)
    }

    /// Waits until the database stands still, beginning with a question that was asked just now.
    pub async fn stops(&self) {
        sleep(LONG).await;
        // Boxed: few questions take so long, and each has room for this.
        while Box::pin(self.is_felt()).await {
            sleep(LONG).await;
        }
    }

    async fn is_felt(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let client = match timeout_at(deadline, self.0.get()).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return is_answer(&error),
            Err(_) => return false,
        };
        let is_felt = timeout_at(deadline, client.simple_query("")).await.is_ok();
        if !is_felt {
            drop(Object::take(client));
        }
        is_felt
    }

    /// Closes the connection, and lets none be opened.
    pub fn close(&self) {
        self.0.close();
    }
}

/// Whether somebody said that there is no connection to be had; else nobody said anything.
fn is_answer(error: &PoolError) -> bool {
    // All others are this process's own, which ends.
    let PoolError::Backend(error) = error else { return true };
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    let is_refusal =
        |error: &io::Error| matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset);
    error.as_db_error().is_some() || error.is_closed() || source.is_some_and(is_refusal)
}
