//! Reads: records by their ids, lists and reports.

mod current;
mod deploys;
mod gauges;
mod history;
mod records;
mod reports;
mod usual;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::oneshot;

pub use gauges::{LastDeploy, MAX_PLACES};

use super::rows;
use crate::{
    database::PoolLimits,
    database::{Endpoint, Plans, Pool, QueryError},
    domain::record::Record,
    error::Error,
    store::batcher::{Batcher, GroupLimits},
    store::counts::Counts,
};

/// For a look-up by key.
pub const KEY_TIMEOUT: Duration = Duration::from_secs(3);

const GROUPS: GroupLimits = GroupLimits { in_flight: 2, most: 64, least: 1, queue: 4096 };

/// Reads what is stored.
pub struct Reads {
    /// Records by their ids.
    batcher: Batcher<Job>,
    /// For what is found by a key.
    keys: Arc<Pool>,
    /// For what is filtered.
    lists: Pool,
    reports: reports::Slots,
    usual: usual::Usual,
    counts: Arc<Counts>,
}

struct Job {
    id: i64,
    answer: oneshot::Sender<Result<Record, Error>>,
}

impl Reads {
    /// Starts the batcher. `size` connections serve lists and reports.
    pub fn start(
        database: &Endpoint,
        limits: PoolLimits,
        size: usize,
        keys: &Arc<Pool>,
        counts: &Arc<Counts>,
    ) -> Result<Self, Error> {
        let shared = keys.clone();
        Ok(Self {
            batcher: Batcher::start(GROUPS, move |jobs| read_group(shared.clone(), jobs)),
            keys: keys.clone(),
            lists: Pool::new(database, limits, size, Plans::Custom, limits.statement)?,
            reports: reports::Slots::new(size, limits.wait),
            usual: usual::Usual::default(),
            counts: counts.clone(),
        })
    }

    /// One record, as it is after every write acknowledged before.
    pub async fn record(&self, id: i64) -> Result<Record, Error> {
        let _waiting = self.counts.reading.enter();
        let (answer, answered) = oneshot::channel();
        self.batcher.push(Job { id, answer })?;
        answered.await.unwrap_or_else(|_| Err(Error::Internal("a read was given up".into())))
    }

    /// The connections for lists and reports.
    pub fn lists(&self) -> deadpool_postgres::Status {
        self.lists.status()
    }

    /// Closes the connections for lists and reports.
    pub fn close(&self) {
        self.lists.close();
    }
}

async fn read_group(keys: Arc<Pool>, jobs: Vec<Job>) {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    match rows::records_by_id(&keys, &ids).await {
        Ok(records) => jobs.into_iter().for_each(|job| job.find(&records)),
        // Only one of them cannot be read.
        Err(QueryError::Failed(_)) if jobs.len() > 1 => {
            for job in jobs {
                match rows::records_by_id(&keys, &[job.id]).await {
                    Ok(records) => job.find(&records),
                    Err(error) => job.answer(Err(error.to_error())),
                }
            }
        }
        Err(error) => jobs.into_iter().for_each(|job| job.answer(Err(error.to_error()))),
    }
}

impl Job {
    fn find(self, records: &HashMap<i64, Record>) {
        let record = records.get(&self.id).cloned();
        self.answer(record.ok_or(Error::NotFound));
    }

    /// Nobody listens if the client has left.
    fn answer(self, read: Result<Record, Error>) {
        let _ = self.answer.send(read);
    }
}
