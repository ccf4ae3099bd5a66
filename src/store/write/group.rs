//! One group: each record of it is answered by itself, whatever becomes of its neighbours.

use std::{collections::HashMap, sync::Arc};

use tokio::{sync::oneshot, time::Instant};

use super::{
    Delivered, Delivery, WRITE_TIMEOUT,
    insert::{self, Insert, Inserted, Way, Written},
};
use crate::{
    database::{Pipeline, Pool, QueryError},
    error::Error,
    store::counts::Counts,
    store::read,
};

/// What becomes of one delivery. The inner error: its key has a record with other content, which differs in these fields.
pub type Outcome = Result<Result<Delivered, Vec<&'static str>>, Error>;

/// A delivery and who waits for it, until the deadline.
pub struct Job {
    pub delivery: Delivery,
    pub deadline: Instant,
    pub answer: oneshot::Sender<Outcome>,
}

impl Job {
    /// The key, which belongs to its component.
    fn key(&self) -> Option<(String, String)> {
        self.delivery.key.as_ref().map(|key| (self.delivery.record.component.clone(), key.clone()))
    }

    /// Nobody listens if the client has left.
    fn answer(self, outcome: Outcome) {
        let _ = self.answer.send(outcome);
    }
}

/// Writes a group and answers each job of it.
pub async fn write(pipeline: Arc<Pipeline>, keys: Arc<Pool>, counts: Arc<Counts>, jobs: Vec<Job>) {
    let mut rest = jobs;
    while !rest.is_empty() {
        // A key that comes again with other content waits for the record that has it.
        let mut contents = HashMap::new();
        let (first, again) = rest.into_iter().partition(|job| {
            job.key().is_none_or(|key| {
                let content = job.delivery.record.content_digest();
                *contents.entry(key).or_insert(content) == content
            })
        });
        // If the database refuses the group, that is because of one record: each is tried by itself.
        for job in write_together(&pipeline, &keys, &counts, first).await {
            write_together(&pipeline, &keys, &counts, vec![job]).await;
        }
        rest = again;
    }
}

/// Writes all of these or none, and answers each; returns those that the database refuses together.
async fn write_together(pipeline: &Pipeline, keys: &Pool, counts: &Counts, mut jobs: Vec<Job>) -> Vec<Job> {
    loop {
        // A job whose deadline has passed is answered 503 and not written: a repetition must not meet it.
        let now = Instant::now();
        for job in jobs.extract_if(.., |job| job.deadline <= now) {
            job.answer(Err(QueryError::TimedOut.to_error()));
        }
        if jobs.is_empty() {
            return jobs;
        }
        let deliveries: Vec<&Delivery> = jobs.iter().map(|job| &job.delivery).collect();
        let reused = match Insert::new(&deliveries).run(Way::Grouped(pipeline), now + WRITE_TIMEOUT).await {
            Ok(Inserted::Written(written)) => {
                super::count(counts, &deliveries, &written);
                jobs = answer(keys, jobs, &written).await;
                continue;
            }
            Ok(Inserted::Reused(reused)) => insert::differences(keys, &deliveries, reused).await,
            Err(QueryError::Failed(_)) if jobs.len() > 1 => return jobs,
            Err(error) => Err(error),
        };
        match reused {
            // Nothing was written: once more without those whose key has other content.
            Ok(reused) => {
                for (index, fields) in reused.into_iter().rev() {
                    jobs.remove(index).answer(Ok(Err(fields)));
                }
            }
            Err(error) => {
                for job in jobs {
                    job.answer(Err(error.to_error()));
                }
                return Vec::new();
            }
        }
    }
}

/// Answers each with its record; returns those whose key has just been freed.
async fn answer(keys: &Pool, jobs: Vec<Job>, written: &[Written]) -> Vec<Job> {
    let (mut replays, mut ids) = (Vec::new(), Vec::new());
    for (job, written) in jobs.into_iter().zip(written) {
        match written {
            Written::New(addition) => {
                let record = addition.to(job.delivery.record);
                let _ = job.answer.send(Ok(Ok(Delivered { record, is_replay: false })));
            }
            Written::Replay(id) => {
                replays.push(job);
                ids.push(*id);
            }
        }
    }
    if ids.is_empty() {
        return replays;
    }
    match read::records_by_id(keys, &ids).await {
        Ok(records) => {
            let mut freed = Vec::new();
            for (job, id) in replays.into_iter().zip(ids) {
                // One that was moved to another component meanwhile has lost its key, too.
                match records.get(&id).filter(|record| record.fields.component == job.delivery.record.component) {
                    Some(record) => job.answer(Ok(Ok(Delivered { record: record.clone(), is_replay: true }))),
                    None => freed.push(job),
                }
            }
            freed
        }
        Err(error) => {
            for job in replays {
                job.answer(Err(error.to_error()));
            }
            Vec::new()
        }
    }
}
