//! Writes. Each is one call of a database function, which locks the components it touches, looks, writes and commits.
//!
//! A write that has begun goes on when its client leaves. It has a deadline: then the client is told that the write may
//! have been committed, and its connection is closed. A write that was given up either holds its locks or looks later, so
//! it is right whenever the database executes it.

mod change;
mod group;
mod insert;

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    thread,
    time::Duration,
};

use deadpool_postgres::Status;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    database::PoolLimits,
    database::{Endpoint, Pipeline, Plans, Pool, QueryError},
    domain::record::{NewRecord, Record},
    error::Error,
    store::batcher::{Batcher, Limits},
    store::counts::Counts,
};
use group::{Job, Outcome};
use insert::{Insert, Inserted, Way, Written};

/// For one record, from the request to its answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
/// For an import, the wait for other imports included.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(30);

const GROUPS: Limits = Limits { in_flight: 3, group: 256, least_behind: 32, queue: 4096 };

/// A record to be written, and the key by which a repeated delivery is known.
#[derive(Debug)]
pub struct Delivery {
    /// What was sent.
    pub record: NewRecord,
    /// Its idempotency key.
    pub key: Option<String>,
}

/// The record of a delivery.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The record as it is now.
    pub record: Record,
    /// Whether an earlier delivery had recorded it.
    pub is_replay: bool,
}

/// The records of an import.
#[derive(Debug)]
pub struct Imported {
    /// Of every delivery, in order.
    pub ids: Vec<i64>,
    /// How many of them earlier deliveries had recorded.
    pub replayed: usize,
}

/// Deliveries whose key has a record with other content: the index of each, and the fields that differ from the record
/// as it is.
pub type Reused = Vec<(usize, Vec<&'static str>)>;

/// Writes records.
pub struct Writes {
    /// A component's records always go to the same one; this saves waiting for locks and decides nothing.
    batchers: Vec<Batcher<Job>>,
    pipelines: Vec<Arc<Pipeline>>,
    /// For changes, which may wait for locks.
    changes: Pool,
    /// For imports: one connection, because the database executes one at a time.
    imports: Pool,
    /// Finds the records that a write is about.
    keys: Arc<Pool>,
    counts: Arc<Counts>,
}

impl Writes {
    /// Starts the batchers. `size` connections serve changes.
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
            let pipeline = Arc::new(Pipeline::new(Pool::new(database, limits, 1, Plans::Generic, WRITE_TIMEOUT)?));
            let (shared, keys, counts) = (pipeline.clone(), keys.clone(), counts.clone());
            batchers.push(Batcher::start(GROUPS, move |jobs| {
                group::write(shared.clone(), keys.clone(), counts.clone(), jobs)
            }));
            pipelines.push(pipeline);
        }
        let changes = Pool::new(database, limits, size, Plans::Generic, WRITE_TIMEOUT)?;
        // An import waits for its turn here as it would in the database.
        let patient = PoolLimits { wait: IMPORT_TIMEOUT, ..limits };
        let imports = Pool::new(database, patient, 1, Plans::Generic, IMPORT_TIMEOUT)?;
        Ok(Self { batchers, pipelines, changes, imports, keys: keys.clone(), counts: counts.clone() })
    }

    /// Records one delivery. The inner error: its key has a record with other content, and these fields differ.
    pub async fn record(&self, delivery: Delivery) -> Outcome {
        let _waiting = self.counts.writing.enter();
        let deadline = Instant::now() + WRITE_TIMEOUT;
        let mut hasher = DefaultHasher::new();
        delivery.record.component.hash(&mut hasher);
        #[allow(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
        let batcher = &self.batchers[hasher.finish() as usize % self.batchers.len()];
        let (answer, answered) = oneshot::channel();
        batcher.push(Job { delivery, deadline, answer })?;
        match timeout_at(deadline, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Error::Internal("a write was given up".into()))),
            Err(_) => Err(QueryError::TimedOut.into()),
        }
    }

    /// Records all or none, and returns the ids in their order. The inner error: some keys have records with other
    /// content, and nothing is recorded.
    pub async fn import(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Result<Result<Imported, Reused>, Error> {
        let (writes, deadline) = (self.clone(), Instant::now() + IMPORT_TIMEOUT);
        in_a_task(deadline, async move {
            let deliveries: Vec<_> = deliveries.iter().collect();
            let insert = Insert::new(&deliveries);
            if !insert.reused.is_empty() {
                return Ok(Err(insert.reused));
            }
            match insert.run(Way::Import(&writes.imports), deadline).await? {
                Inserted::Written(written) => {
                    count(&writes.counts, &deliveries, &written);
                    Ok(Ok(Imported {
                        replayed: written.iter().filter(|written| matches!(written, Written::Replay(_))).count(),
                        ids: written.into_iter().map(Written::id).collect(),
                    }))
                }
                Inserted::Reused(reused) => Ok(Err(insert::differences(&writes.keys, &deliveries, reused).await?)),
            }
        })
        .await
    }

    /// The connections that groups of records share, as one pool.
    #[must_use]
    pub fn pipelines(&self) -> Status {
        let size = self.pipelines.iter().filter(|pipeline| pipeline.is_open()).count();
        Status { max_size: self.pipelines.len(), size, available: 0, waiting: 0 }
    }

    /// The connections of changes.
    #[must_use]
    pub fn changes(&self) -> Status {
        self.changes.status()
    }

    /// The connection of imports.
    #[must_use]
    pub fn imports(&self) -> Status {
        self.imports.status()
    }

    /// Closes every connection.
    pub fn close(&self) {
        for pipeline in &self.pipelines {
            pipeline.close();
        }
        self.changes.close();
        self.imports.close();
    }
}

/// Counts the records that are new.
fn count(counts: &Counts, deliveries: &[&Delivery], written: &[Written]) {
    for (delivery, written) in deliveries.iter().zip(written) {
        if matches!(written, Written::New(_)) {
            counts.recorded(delivery.record.phase);
        }
    }
}

/// Does work to its end, whatever becomes of the request that asked for it; returns at the deadline at the latest.
async fn in_a_task<T: Send + 'static>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match timeout_at(deadline, tokio::spawn(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(Error::Unavailable(stopped.into())),
        },
        Err(_) => Err(QueryError::TimedOut.into()),
    }
}
