//! The records and everything that is derived from them, in a database that may come and go.
//!
//! - [`write`](self::write): new records, imports and changes.
//! - [`read`]: records by id, lists and reports.
//! - [`events`]: what happened, in one order for every process.
//! - [`retention`], [`heartbeat`], [`tokens`]: what runs beside requests.

mod batcher;
pub mod counts;
mod events;
mod heartbeat;
mod read;
mod retention;
mod rows;
mod tokens;
mod write;

use std::sync::Arc;

pub use events::{Events, Hearing};
pub use heartbeat::Heartbeat;
pub use read::{LastDeploy, MAX_PLACES, Reads};
pub use retention::Retention;
pub use tokens::{Tokens, watch_tokens};
pub use write::{Delivered, Delivery, Imported, Reused, Writes};

use crate::{
    database::PoolLimits,
    database::migrate,
    database::{Endpoint, Plans, Pool},
    error::Error,
    store::counts::{Counts, Gauges},
};

/// The store, shared by all requests.
#[derive(Clone)]
pub struct Store {
    /// New records, imports and changes.
    pub writes: Arc<Writes>,
    /// Records by id, lists and reports.
    pub reads: Arc<Reads>,
    /// What happened.
    pub events: Arc<Events>,
    /// Deletes old records.
    pub retention: Arc<Retention>,
    /// Lets `restore` know of this process.
    pub heartbeat: Arc<Heartbeat>,
    keys: Arc<Pool>,
    upkeep: Arc<Pool>,
    counts: Arc<Counts>,
}

impl Store {
    /// Opens the store. The schema must be this program's.
    pub async fn open(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        // A third each for lists, for changes, which may wait for locks, and for look-ups by key.
        let third = (limits.size / 3).max(1);
        let counts = Arc::new(Counts::default());
        let rest = (limits.size - 2 * third).max(1);
        let keys = Arc::new(Pool::new(database, limits, rest, Plans::Generic, read::KEY_TIMEOUT)?);
        // One for what runs beside requests and may wait for locks or standbys.
        let upkeep = Arc::new(Pool::new(database, limits, 1, Plans::Generic, read::KEY_TIMEOUT)?);
        Ok(Self {
            heartbeat: Arc::new(Heartbeat::start(&upkeep).await?),
            writes: Arc::new(Writes::start(database, limits, third, &keys, &counts)?),
            reads: Arc::new(Reads::start(database, limits, third, &keys, &counts)?),
            events: Arc::new(Events::start(&keys, &upkeep, limits.wait)),
            retention: Arc::new(Retention::new(&upkeep, &counts)),
            keys,
            upkeep,
            counts,
        })
    }

    /// Whether the database answers and its schema is this program's.
    pub async fn ping(&self) -> Result<(), Error> {
        let rows = self.keys.read(include_str!("../sql/schema_last.sql"), &[]).await;
        let is_current =
            rows.map_err(|error| Error::Unavailable(error.to_error().into()))?.first().is_some_and(|row| {
                let last = (row.try_get(0).unwrap_or_default(), row.try_get(1).unwrap_or_default());
                migrate::is_last(last) && row.try_get(2).unwrap_or_default()
            });
        if is_current { Ok(()) } else { Err(Error::Unavailable("the schema is not this program's".into())) }
    }

    /// The work at this moment. Asks nobody.
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        Gauges {
            writing: self.counts.writing.count(),
            reading: self.counts.reading.count(),
            pools: [
                ("records", self.writes.pipelines()),
                ("changes", self.writes.changes()),
                ("imports", self.writes.imports()),
                ("keys", self.keys.status()),
                ("lists", self.reads.lists()),
                ("upkeep", self.upkeep.status()),
            ],
            recorded: self.counts.all_recorded(),
            forgotten: self.counts.all_forgotten(),
        }
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.heartbeat.stop().await;
        self.writes.close();
        self.reads.close();
        self.keys.close();
        self.upkeep.close();
    }
}
