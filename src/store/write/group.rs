//! One group of single records. Each is answered separately: an error in one does not affect the others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::insert::{self, Delivery, Insert, Inserted, Way, Written};
use crate::database::{Pipeline, Pool, QueryError};
use crate::domain::record::Record;
use crate::error::Error;
use crate::store::counts::Counts;
use crate::store::rows;

/// For one record, from the request to its response.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// The record of a delivery.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The record as it is now.
    pub record: Record,
    /// Whether an earlier delivery created it.
    pub is_replay: bool,
}

/// The result of a delivery. The inner error: its key belongs to a record with other content, which differs in these
/// fields.
pub type DeliveryResult = Result<Result<Delivered, Vec<&'static str>>, Error>;

/// A delivery, and the request that waits for its result until the deadline.
pub struct WriteJob {
    pub delivery: Delivery,
    pub deadline: Instant,
    pub result: oneshot::Sender<DeliveryResult>,
}

impl WriteJob {
    /// The key with the component that it belongs to.
    fn key(&self) -> Option<(String, String)> {
        self.delivery.key.as_ref().map(|key| (self.delivery.record.component.clone(), key.clone()))
    }

    /// Does nothing if the client has disconnected.
    fn complete(self, result: DeliveryResult) {
        let _ = self.result.send(result);
    }
}

/// Writes a group and completes each of its jobs.
pub async fn write(pipeline: Arc<Pipeline>, keys: Arc<Pool>, counts: Arc<Counts>, jobs: Vec<WriteJob>) {
    let mut rest = jobs;
    while !rest.is_empty() {
        // A repeated key with other content waits until the first delivery of the key is written.
        let mut contents = HashMap::new();
        let (first, later) = rest.into_iter().partition(|job| {
            job.key().is_none_or(|key| {
                let content = job.delivery.record.content_digest();
                *contents.entry(key).or_insert(content) == content
            })
        });
        // The database refuses a whole group because of one record, so each is tried separately.
        for job in write_together(&pipeline, &keys, &counts, first).await {
            write_together(&pipeline, &keys, &counts, vec![job]).await;
        }
        rest = later;
    }
}

/// Writes all jobs or none, and completes them. Returns the jobs of a group that the database refuses.
async fn write_together(pipeline: &Pipeline, keys: &Pool, counts: &Counts, mut jobs: Vec<WriteJob>) -> Vec<WriteJob> {
    loop {
        // A job past its deadline gets a 503 and is not written: the client may already be repeating it.
        let now = Instant::now();
        for job in jobs.extract_if(.., |job| job.deadline <= now) {
            job.complete(Err(QueryError::TimedOut.to_error()));
        }
        if jobs.is_empty() {
            return jobs;
        }
        let deliveries: Vec<&Delivery> = jobs.iter().map(|job| &job.delivery).collect();
        let reused = match Insert::new(&deliveries).run(Way::Grouped(pipeline), now + WRITE_TIMEOUT, counts).await {
            Ok(Inserted::Written(written)) => {
                jobs = complete(keys, jobs, &written).await;
                continue;
            }
            Ok(Inserted::Reused(reused)) => insert::differences(keys, &deliveries, reused).await,
            Err(QueryError::Failed(_)) if jobs.len() > 1 => return jobs,
            Err(error) => Err(error),
        };
        match reused {
            // Nothing was written: try again without the jobs whose key belongs to other content.
            Ok(reused) => {
                for (index, fields) in reused.into_iter().rev() {
                    jobs.remove(index).complete(Ok(Err(fields)));
                }
            }
            Err(error) => {
                for job in jobs {
                    job.complete(Err(error.to_error()));
                }
                return Vec::new();
            }
        }
    }
}

/// Completes each job with its record. Returns the jobs whose key was freed in the meantime.
async fn complete(keys: &Pool, jobs: Vec<WriteJob>, written: &[Written]) -> Vec<WriteJob> {
    let (mut replays, mut ids) = (Vec::new(), Vec::new());
    for (job, written) in jobs.into_iter().zip(written) {
        if let Some(addition) = written.new {
            let record = addition.to(written.id, job.delivery.record);
            let _ = job.result.send(Ok(Ok(Delivered { record, is_replay: false })));
        } else {
            replays.push(job);
            ids.push(written.id);
        }
    }
    if ids.is_empty() {
        return replays;
    }
    let mut freed = Vec::new();
    let records = rows::records_by_id(keys, &ids).await;
    for (job, id) in replays.into_iter().zip(ids) {
        match records.as_ref().map(|records| records.get(&id)) {
            // A record that moved to another component has lost its key, too.
            Ok(Some(record)) if record.fields.component == job.delivery.record.component => {
                job.complete(Ok(Ok(Delivered { record: record.clone(), is_replay: true })));
            }
            Ok(_) => freed.push(job),
            Err(error) => job.complete(Err(error.to_error())),
        }
    }
    freed
}
