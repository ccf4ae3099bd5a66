//! The data in PostgreSQL: writes, reads, events, retention and tokens. The database can be unavailable at any time.
//!
//! - [`write`](self::write): new records, imports and changes.
//! - [`read`]: records by id, lists and reports.
//! - [`events`]: the feed of changes.
//! - [`retention`], [`heartbeat`], [`tokens`]: work beside requests.
//! - [`rows`], [`batcher`], [`counts`]: shared by all of these.

mod batcher;
mod counts;
mod events;
mod heartbeat;
mod read;
mod retention;
mod rows;
mod tokens;
mod write;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::Status;

use crate::database::{Endpoint, Pool, PoolLimits, Probe, migrate};
use crate::error::Error;
use counts::Counts;
use events::Events;
use heartbeat::Heartbeat;
use read::{Deploys, Records, Reports};
pub use read::{LastDeploy, MAX_LAST_DEPLOYS};
use retention::Retention;
pub use tokens::Tokens;
use write::Writes;
pub use write::{Delivered, Delivery, Imported};

/// For a look-up by key.
const KEY_TIMEOUT: Duration = Duration::from_secs(3);

/// The store, shared by all requests.
#[derive(Clone)]
pub struct Store {
    pub writes: Arc<Writes>,
    pub records: Arc<Records>,
    pub deploys: Arc<Deploys>,
    pub reports: Arc<Reports>,
    pub events: Arc<Events>,
    pub retention: Arc<Retention>,
    pub heartbeat: Arc<Heartbeat>,
    pub counts: Arc<Counts>,
    /// For look-ups by key.
    keys: Arc<Pool>,
    probe: Arc<Probe>,
    /// The connections that are not used by `writes`, by purpose.
    pools: [(&'static str, Arc<Pool>); 3],
}

impl Store {
    /// Opens the store. The schema must be current.
    pub async fn open(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        // A third each for lists, for changes, which can wait for locks, and for look-ups by key.
        let third = (limits.size / 3).max(1);
        let rest = (limits.size - 2 * third).max(1);
        let keys = Arc::new(Pool::new(database, limits, rest, KEY_TIMEOUT)?);
        let lists = Arc::new(Pool::new(database, limits, third, limits.statement)?.with_custom_plans());
        // One for work beside requests, which can wait for locks or standbys.
        let maintenance = Arc::new(Pool::new(database, limits, 1, KEY_TIMEOUT)?);
        let counts = Arc::new(Counts::default());
        Ok(Self {
            heartbeat: Arc::new(Heartbeat::start(&maintenance).await?),
            writes: Arc::new(Writes::start(database, limits, third, &keys, &counts)?),
            records: Arc::new(Records::start(&keys, &lists, &counts)),
            deploys: Arc::new(Deploys::new(&keys, &lists)),
            reports: Arc::new(Reports::new(&lists, limits.wait)),
            events: Events::start(&keys, limits.wait),
            retention: Arc::new(Retention::new(&maintenance, &counts)),
            // The names are public labels of metrics: `upkeep` is maintenance.
            pools: [("keys", keys.clone()), ("lists", lists), ("upkeep", maintenance)],
            keys,
            probe: Arc::new(Probe::new(database, limits)),
            counts,
        })
    }

    /// Succeeds if the database is available, also for new connections, and its schema is current.
    pub async fn ping(&self) -> Result<(), Error> {
        let rows = self.keys.read(rows::sql!("schema_last"), &[]).await;
        let is_current = rows.and_then(|rows| {
            rows::first(&rows, |row| Ok(migrate::is_last((row.try_get(0)?, row.try_get(1)?)) && row.try_get(2)?))
        });
        match is_current {
            Ok(Some(true)) => self.probe.check().await.map_err(|cause| Error::Unavailable(cause.into())),
            Ok(_) => Err(Error::Unavailable("the schema is not current".into())),
            Err(error) => Err(Error::Unavailable(error.to_error().into())),
        }
    }

    /// The connections by purpose.
    pub fn pools(&self) -> Vec<(&'static str, Status)> {
        let pools = self.pools.iter().map(|(name, pool)| (*name, pool.status()));
        self.writes.pools().into_iter().chain(pools).collect()
    }

    /// Deletes the heartbeat and closes all connections.
    pub async fn close(&self) {
        self.heartbeat.stop().await;
        self.writes.close();
        for (_, pool) in &self.pools {
            pool.close();
        }
    }
}
