//! Reads by id that arrive while one is in flight share the next.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use super::{Inner, connections::Failure};
use crate::{error::Error, record::Record};

/// While the answers of one are given, the other keeps the database busy.
const READERS: usize = 2;
/// A larger group gains little more, and its first read waits for its last.
const MAX_GROUP: usize = 64;
/// For each reader.
const MAX_QUEUE: usize = 2048;

struct Job {
    id: i64,
    answer: oneshot::Sender<Result<Record, Error>>,
}

/// The queues, one a reader. The readers end when this goes.
pub struct Readers {
    queues: [Sender<Job>; READERS],
}

impl Readers {
    /// Starts them.
    pub fn start(inner: &Arc<Inner>) -> Self {
        let start = |_| {
            let (sender, queue) = mpsc::channel(MAX_QUEUE);
            tokio::spawn(read(inner.clone(), queue));
            sender
        };
        Self { queues: std::array::from_fn(start) }
    }

    /// One record, as it stands after every write acknowledged before.
    pub async fn read(&self, id: i64) -> Result<Record, Error> {
        let (answer, answered) = oneshot::channel();
        let full = |_| Error::Unavailable("the queue of reads is full".into());
        let queue = &self.queues[usize::try_from(id).unwrap_or_default() % READERS];
        queue.try_send(Job { id, answer }).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(Error::Internal("a read was given up".into())))
    }
}

async fn read(inner: Arc<Inner>, mut queue: Receiver<Job>) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, MAX_GROUP).await > 0 {
        // Should one panic, its requests are told so, and the others go on.
        let group = AssertUnwindSafe(read_group(&inner, std::mem::take(&mut jobs)));
        if let Ok(Some((failure, mut given_up))) = group.catch_unwind().await {
            // Those that wait by now would only wait for the same.
            given_up.extend(std::iter::from_fn(|| queue.try_recv().ok()));
            for job in given_up {
                job.answer(Err(failure.share()));
            }
        }
    }
}

/// Answers each; or hands them back, and why, where there is no database to be had.
async fn read_group(inner: &Inner, jobs: Vec<Job>) -> Option<(Failure, Vec<Job>)> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    match inner.records(&ids).await {
        Ok(records) => jobs.into_iter().for_each(|job| job.find(&records)),
        // It is only one of them that cannot be read.
        Err(Failure::Broken(_)) if jobs.len() > 1 => {
            for job in jobs {
                match inner.records(&[job.id]).await {
                    Ok(records) => job.find(&records),
                    Err(failure) => job.answer(Err(failure.share())),
                }
            }
        }
        Err(failure @ (Failure::Unreachable(_) | Failure::Silent(_))) => return Some((failure, jobs)),
        Err(failure) => {
            for job in jobs {
                job.answer(Err(failure.share()));
            }
        }
    }
    None
}

impl Job {
    fn find(self, records: &HashMap<i64, Record>) {
        let record = records.get(&self.id).cloned();
        self.answer(record.ok_or(Error::NotFound));
    }

    /// The client may have left: then nobody listens.
    fn answer(self, read: Result<Record, Error>) {
        let _ = self.answer.send(read);
    }
}
