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
pub use read::{AttemptKey, LastDeploy, Lists, MAX_LAST_DEPLOYS, Reports, StageKeys};
use read::{Deploys, Records};
use retention::Retention;
pub use tokens::Tokens;
use write::Writes;
pub use write::{Delivered, Delivery, Imported};

/// For a look-up, a list, or a part of an export.
pub const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// The store, shared by all requests.
#[derive(Clone)]
pub struct Store {
    pub writes: Arc<Writes>,
    pub records: Arc<Records>,
    pub lists: Arc<Lists>,
    /// As the lists, with connections of their own.
    pub exports: Arc<Lists>,
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
    pools: [(&'static str, Arc<Pool>); 5],
}

impl Store {
    /// Opens the store. The schema must be current.
    pub async fn open(database: &Endpoint, limits: PoolLimits) -> Result<Self, Error> {
        // No purpose uses the connections of another. Reports use the processor for long, so they get few.
        let (third, sixth) = ((limits.size / 3).max(1), (limits.size / 6).max(1));
        let rest = limits.size.saturating_sub(third + 3 * sixth).max(1);
        let keys = Arc::new(Pool::new(database, limits, rest, READ_TIMEOUT)?);
        let pool =
            |size, timeout| Pool::new(database, limits, size, timeout).map(Pool::with_custom_plans).map(Arc::new);
        let list_pool = pool(third, limits.statement.min(READ_TIMEOUT))?;
        let export_pool = pool(sixth, limits.statement.min(READ_TIMEOUT))?;
        let report_pool = pool(sixth, limits.statement)?;
        let lists = Arc::new(Lists::new(&list_pool, limits.wait));
        // One for work beside requests, which can wait for locks or standbys.
        let maintenance = Arc::new(Pool::new(database, limits, 1, READ_TIMEOUT)?);
        let counts = Arc::new(Counts::default());
        Ok(Self {
            heartbeat: Arc::new(Heartbeat::start(&maintenance).await?),
            writes: Arc::new(Writes::start(database, limits, sixth, &keys, &counts)?),
            records: Arc::new(Records::start(&keys, &counts)),
            deploys: Arc::new(Deploys::new(&keys, &lists)),
            lists,
            exports: Arc::new(Lists::new(&export_pool, limits.wait)),
            reports: Arc::new(Reports::new(&report_pool, limits)),
            events: Events::start(&keys, limits.wait),
            retention: Arc::new(Retention::new(&maintenance, &counts)),
            // The names are public labels of metrics: `upkeep` is maintenance.
            pools: [
                ("keys", keys.clone()),
                ("lists", list_pool),
                ("exports", export_pool),
                ("reports", report_pool),
                ("upkeep", maintenance),
            ],
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
