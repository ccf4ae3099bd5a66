//! Reads by id that arrive while one is in flight share the next.

use std::sync::Arc;

use tokio::sync::{
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use super::Inner;
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
        let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
        let read = inner.records(&ids).await;
        for Job { id, answer } in jobs.drain(..) {
            // The client may have left: then nobody listens.
            let _ = answer.send(match &read {
                Ok(records) => records.get(&id).cloned().ok_or(Error::NotFound),
                Err(failure) => Err(failure.share()),
            });
        }
    }
}
