//! Writes. Each is one call of a database function, which locks the components involved, reads their neighbours, writes
//! and commits.
//!
//! A write continues after its client disconnects. It has a deadline: after that the client gets a 503, the connection is
//! closed, and the write may still be committed. It is correct whenever the database executes it, because the function
//! reads under its locks.

mod group;
mod insert;

use std::{sync::Arc, thread, time::Duration};

use deadpool_postgres::Status;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::batcher::{Batcher, GroupLimits};
use super::counts::Counts;
use super::rows::{self, sql};
use crate::database::{DeployDigest, Endpoint, Parameters, Pipeline, Pool, PoolLimits, QueryError};
use crate::domain::record::{NewRecord, Record};
use crate::error::Error;
pub use group::{Delivered, DeliveryResult};
use group::{WRITE_TIMEOUT, WriteJob};
pub use insert::{Delivery, Reused};
use insert::{Insert, Inserted, Way};

/// For an import, including the wait for earlier imports.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(30);

const GROUPS: GroupLimits = GroupLimits { in_flight: 3, most: 256, least: 32, queue: 4096 };

/// The records of an import.
#[derive(Debug)]
pub struct Imported {
    /// In the order of the deliveries.
    pub ids: Vec<i64>,
    /// How many of them existed before.
    pub replayed: usize,
}

pub struct Writes {
    /// All records of a component go to the same batcher. This only saves waiting for locks.
    batchers: Vec<Batcher<WriteJob>>,
    pipelines: Vec<Arc<Pipeline>>,
    /// For changes, which can wait for locks.
    changes: Pool,
    /// One connection: the database executes one import at a time.
    imports: Pool,
    /// For records by id.
    keys: Arc<Pool>,
    counts: Arc<Counts>,
}

impl Writes {
    /// Starts the batchers. Changes get `size` connections.
    pub fn start(
        database: &Endpoint,
        limits: PoolLimits,
        size: usize,
        keys: &Arc<Pool>,
        counts: &Arc<Counts>,
    ) -> Result<Self, Error> {
        // One connection writes as much as four cores send.
        let connections = thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(4));
        let (mut batchers, mut pipelines) = (Vec::new(), Vec::new());
        for _ in 0..connections {
            let pipeline = Arc::new(Pipeline::new(Pool::new(database, limits, 1, WRITE_TIMEOUT)?));
            let (shared, keys, counts) = (pipeline.clone(), keys.clone(), counts.clone());
            batchers.push(Batcher::start(GROUPS, move |jobs| {
                group::write(shared.clone(), keys.clone(), counts.clone(), jobs)
            }));
            pipelines.push(pipeline);
        }
        let import_limits = PoolLimits { wait: IMPORT_TIMEOUT, ..limits };
        Ok(Self {
            batchers,
            pipelines,
            changes: Pool::new(database, limits, size, WRITE_TIMEOUT)?,
            imports: Pool::new(database, import_limits, 1, IMPORT_TIMEOUT)?,
            keys: keys.clone(),
            counts: counts.clone(),
        })
    }

    /// Records one delivery.
    pub async fn record(&self, delivery: Delivery) -> DeliveryResult {
        let _waiting = self.counts.writing.enter();
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let component = delivery.record.component.bytes();
        let hash = component.fold(0, |hash: usize, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        let batcher = &self.batchers[hash % self.batchers.len()];
        let (result, completed) = oneshot::channel();
        batcher.push(WriteJob { delivery, deadline, result })?;
        match timeout_at(deadline, completed).await {
            Ok(result) => result.unwrap_or_else(|_| Err(Error::Internal("a write was dropped".into()))),
            Err(_) => Err(QueryError::TimedOut.into()),
        }
    }

    /// Records all deliveries or none. The inner error: some keys belong to records with other content, and nothing is
    /// recorded.
    pub async fn import(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Result<Result<Imported, Reused>, Error> {
        let (writes, deadline) = (self.clone(), Instant::now() + IMPORT_TIMEOUT);
        in_a_task(deadline, async move {
            let deliveries: Vec<_> = deliveries.iter().collect();
            let insert = Insert::new(&deliveries);
            if !insert.reused.is_empty() {
                return Ok(Err(insert.reused));
            }
            match insert.run(Way::Import(&writes.imports), deadline, &writes.counts).await? {
                Inserted::Written(written) => Ok(Ok(Imported {
                    replayed: written.iter().filter(|written| written.new.is_none()).count(),
                    ids: written.iter().map(|written| written.id).collect(),
                })),
                Inserted::Reused(reused) => Ok(Err(insert::differences(&writes.keys, &deliveries, reused).await?)),
            }
        })
        .await
    }

    /// Changes a record into the result of `edit`, or deletes it if that is `None`. The record's history names the token
    /// of the request. Returns the record as it is now, or as it was before it was deleted.
    pub async fn change(
        self: &Arc<Self>,
        id: i64,
        token: Option<&str>,
        edit: impl Fn(&Record) -> Result<Option<NewRecord>, Error> + Send + 'static,
    ) -> Result<Record, Error> {
        let (writes, deadline) = (self.clone(), Instant::now() + WRITE_TIMEOUT);
        let token = token.map(str::to_owned);
        in_a_task(deadline, async move {
            // Repeated if another write changes the record in the meantime.
            while Instant::now() < deadline {
                let seen = rows::records_by_id(&writes.keys, &[id]).await?.remove(&id).ok_or(Error::NotFound)?;
                let edited = edit(&seen)?;
                if edited.as_ref().is_some_and(|edited| *edited == seen.own()) {
                    // The commit that wrote this content may still lack the confirmation of a synchronous standby.
                    writes.changes.call(deadline, sql!("commit_wait"), &[]).await?;
                    return Ok(seen);
                }
                let changed = change_once(&writes.changes, deadline, &seen, edited.as_ref(), token.as_deref()).await?;
                if let Some(record) = changed {
                    return Ok(record);
                }
            }
            Err(QueryError::TimedOut.into())
        })
        .await
    }

    /// The connections by purpose. The connections that share groups of records count as one pool.
    pub fn pools(&self) -> [(&'static str, Status); 3] {
        let size = self.pipelines.iter().filter(|pipeline| pipeline.is_open()).count();
        let records = Status { max_size: self.pipelines.len(), size, available: 0, waiting: 0 };
        [("records", records), ("changes", self.changes.status()), ("imports", self.imports.status())]
    }

    pub fn close(&self) {
        for pipeline in &self.pipelines {
            pipeline.close();
        }
        self.changes.close();
        self.imports.close();
    }
}

/// Changes or deletes a record if it is still as it was seen; otherwise returns `None`.
async fn change_once(
    pool: &Pool,
    deadline: Instant,
    seen: &Record,
    edited: Option<&NewRecord>,
    token: Option<&str>,
) -> Result<Option<Record>, QueryError> {
    let parameters: Parameters = &[
        &seen.id,
        &seen.fields.component,
        &seen.updated_at,
        &edited.map(|record| &record.component),
        &edited.map(|record| &record.version),
        &edited.map(|record| &record.owner),
        &edited.map(|record| &record.status),
        &edited.map(|record| record.phase.name()),
        &edited.and_then(|record| record.environment.as_ref()),
        &edited.and_then(|record| record.run.as_ref()),
        &edited.and_then(|record| record.stage.as_ref()),
        &edited.and_then(|record| record.url.as_ref()),
        &edited.and_then(|record| record.commit.as_ref()),
        &edited.and_then(|record| record.committed_at),
        &edited.and_then(|record| record.unplanned),
        &edited.and_then(NewRecord::waited_seconds),
        &edited.and_then(|record| record.started_at),
        &edited.and_then(|record| record.finished_at),
        &edited.map(|record| DeployDigest(record.deploy_digest())),
        &token,
    ];
    rows::first(&pool.call(deadline, sql!("record_change"), parameters).await?, rows::record)
}

/// Completes work even if its request is dropped. Waits for it until the deadline.
async fn in_a_task<T: Send + 'static>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match timeout_at(deadline, tokio::spawn(work)).await {
        Ok(result) => result.unwrap_or_else(|panic| Err(Error::Internal(panic.into()))),
        Err(_) => Err(QueryError::TimedOut.into()),
    }
}
