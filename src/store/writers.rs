//! Group commit: records that arrive while a statement is in flight share the next one.
//!
//! A component's records always go to the same writer, which takes whatever has queued up and never waits for more:
//! a record that is alone goes at once. Each is answered by itself, whatever becomes of its neighbours.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use tokio::sync::{
    OwnedMutexGuard,
    mpsc::{self, Receiver, Sender},
    oneshot,
};

use super::{Delivered, Delivery, Inner, connections::Failure, insert::Written};
use crate::{
    error::Error,
    record::{NewRecord, Record},
};

/// More of them make smaller groups, and the database does more work for each record.
const WRITERS: usize = 2;
/// A larger group gains little more, and its first record waits for its last.
const MAX_GROUP: usize = 256;
/// For each writer.
const MAX_QUEUE: usize = 2048;

/// What becomes of one delivery. The inner error: its key stands for other content, which differs in these fields.
pub type Outcome = Result<Result<Delivered, Vec<&'static str>>, Error>;

struct Job {
    lane: usize,
    delivery: Delivery,
    answer: oneshot::Sender<Outcome>,
}

/// The queues, one a writer. The writers end when this goes.
pub struct Writers {
    queues: [Sender<Job>; WRITERS],
}

impl Writers {
    /// Starts them.
    pub fn start(inner: &Arc<Inner>) -> Self {
        let start = |_| {
            let (sender, queue) = mpsc::channel(MAX_QUEUE);
            tokio::spawn(write(inner.clone(), queue));
            sender
        };
        Self { queues: std::array::from_fn(start) }
    }

    /// Records one delivery; it is written to its end whatever becomes of the caller. Deliveries of one `lane` are
    /// written in turn.
    pub async fn record(&self, lane: usize, delivery: Delivery) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let full = |_| Error::Unavailable("the queue of writes is full".into());
        self.queues[lane % WRITERS].try_send(Job { lane, delivery, answer }).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(Error::Internal("a write was given up".into())))
    }
}

async fn write(inner: Arc<Inner>, mut queue: Receiver<Job>) {
    let mut left_over = None;
    loop {
        let next = match left_over.take() {
            Some(job) => Some(job),
            None => queue.recv().await,
        };
        let Some(first) = next else { return };
        let mut jobs = vec![first];
        left_over = fill(&mut jobs, &mut queue);
        let (group, lanes, busy) = hold(&inner, jobs);
        for job in busy {
            let inner = inner.clone();
            tokio::spawn(async move { write_alone(&inner, job).await });
        }
        // In a task of its own: should it panic, its requests are told so, and the writer goes on.
        let inner = inner.clone();
        let written = tokio::spawn(async move {
            let _lanes = lanes;
            write_group(&inner, group).await
        });
        if let Ok(Err(failure)) = written.await {
            // Those that wait by now would only wait for the same.
            for job in left_over.take().into_iter().chain(std::iter::from_fn(|| queue.try_recv().ok())) {
                job.fail(&failure);
            }
        }
    }
}

/// Takes the lanes of those whose lane is free. An import or a change may hold the others': they wait by themselves.
fn hold(inner: &Inner, jobs: Vec<Job>) -> (Vec<Job>, HashMap<usize, OwnedMutexGuard<()>>, Vec<Job>) {
    let mut held = HashMap::new();
    let (group, busy) = jobs.into_iter().partition(|job| match held.entry(job.lane) {
        Entry::Occupied(_) => true,
        Entry::Vacant(entry) => inner.lanes.try_hold(job.lane).map(|lane| entry.insert(lane)).is_some(),
    });
    (group, held, busy)
}

/// Takes what has queued up. A key that is in the group already has to wait for the next: there it finds its record.
fn fill(group: &mut Vec<Job>, queue: &mut Receiver<Job>) -> Option<Job> {
    let key_of = |job: &Job| {
        let Delivery { record, key } = &job.delivery;
        key.as_ref().map(|key| (record.component.clone(), key.clone()))
    };
    let mut keys: HashSet<_> = group.iter().filter_map(key_of).collect();
    while group.len() < MAX_GROUP
        && let Ok(job) = queue.try_recv()
    {
        if key_of(&job).is_some_and(|key| !keys.insert(key)) {
            return Some(job);
        }
        group.push(job);
    }
    None
}

/// Writes one whose lane is not held yet.
async fn write_alone(inner: &Inner, job: Job) {
    match inner.hold(std::iter::once(job.delivery.record.component.as_str())).await {
        // Its answer says what failed.
        Ok(_lane) => drop(write_together(inner, vec![job]).await),
        Err(failure) => job.fail(&failure),
    }
}

/// Writes a group and answers each of it. Fails where there is no database to be had.
async fn write_group(inner: &Inner, group: Vec<Job>) -> Result<(), Failure> {
    // What the database refuses is only one of them: each is tried by itself.
    for job in write_together(inner, group).await? {
        write_together(inner, vec![job]).await?;
    }
    Ok(())
}

/// Writes all of these or none, their lanes held, and answers each; hands back those that the database refuses together.
async fn write_together(inner: &Inner, mut jobs: Vec<Job>) -> Result<Vec<Job>, Failure> {
    while !jobs.is_empty() {
        let deliveries: Vec<&Delivery> = jobs.iter().map(|job| &job.delivery).collect();
        match inner.deliver(&deliveries).await {
            Ok(Ok(written)) => jobs = answer(inner, jobs, &written).await,
            // Nothing was written: once more without those whose key stands for something else.
            Ok(Err(reused)) => {
                for (place, fields) in reused.into_iter().rev() {
                    jobs.remove(place).answer(Ok(Err(fields)));
                }
            }
            Err(Failure::Broken(_)) if jobs.len() > 1 => return Ok(jobs),
            Err(failure) => {
                for job in jobs {
                    job.fail(&failure);
                }
                return if matches!(failure, Failure::Unreachable(_) | Failure::Silent(_)) {
                    Err(failure)
                } else {
                    Ok(Vec::new())
                };
            }
        }
    }
    Ok(Vec::new())
}

/// Answers each with its record; hands back those whose earlier delivery another replica has just removed.
async fn answer(inner: &Inner, jobs: Vec<Job>, written: &[Written]) -> Vec<Job> {
    let (mut replays, mut ids) = (Vec::new(), Vec::new());
    for (job, written) in jobs.into_iter().zip(written) {
        match *written {
            Written::New(addition) => job.record(|said| addition.to(said)),
            Written::Replay(id) => {
                replays.push(job);
                ids.push(id);
            }
        }
    }
    if ids.is_empty() {
        return replays;
    }
    match inner.records(&ids).await {
        Ok(mut records) => {
            let (standing, gone) =
                replays.into_iter().zip(ids).partition::<Vec<_>, _>(|(_, id)| records.contains_key(id));
            for (job, id) in standing {
                if let Some(record) = records.remove(&id) {
                    job.answer(Ok(Ok(Delivered { record, is_replay: true })));
                }
            }
            gone.into_iter().map(|(job, _)| job).collect()
        }
        Err(failure) => {
            for job in replays {
                job.fail(&failure);
            }
            Vec::new()
        }
    }
}

impl Job {
    /// The client may have left: then nobody listens.
    fn answer(self, outcome: Outcome) {
        let _ = self.answer.send(outcome);
    }

    fn record(self, whole: impl FnOnce(NewRecord) -> Record) {
        let record = whole(self.delivery.record);
        let _ = self.answer.send(Ok(Ok(Delivered { record, is_replay: false })));
    }

    fn fail(self, failure: &Failure) {
        self.answer(Err(failure.share()));
    }
}
