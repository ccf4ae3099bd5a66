//! Groups jobs that arrive while earlier groups are in flight, so that they share the next statement.
//!
//! Nothing waits for a timer: a job that is alone goes at once. While groups are in flight the next one goes as soon as it
//! is half as large as the last, so that they keep the database busy without splitting what arrives into small ones.

use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
};

use crate::error::Error;

/// How jobs are grouped.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Groups in flight at once.
    pub in_flight: usize,
    /// Jobs in one group: a larger one gains little more, and its first job waits for its last.
    pub group: usize,
    /// Fewer jobs than these wait for a group in flight to complete.
    pub least_behind: usize,
    /// Jobs that wait; one more is refused.
    pub queue: usize,
}

/// The queue of jobs. Dispatching ends when this is dropped.
pub struct Batcher<J> {
    queue: Sender<J>,
}

impl<J: Send + 'static> Batcher<J> {
    /// Starts a task that passes groups to `run`, which answers each job.
    pub fn start<R: Future<Output = ()> + Send + 'static>(
        limits: Limits,
        run: impl Fn(Vec<J>) -> R + Send + 'static,
    ) -> Self {
        let (queue, jobs) = mpsc::channel(limits.queue);
        tokio::spawn(dispatch(jobs, limits, run));
        Self { queue }
    }

    /// Queues a job.
    pub fn push(&self, job: J) -> Result<(), Error> {
        self.queue.try_send(job).map_err(|_| Error::Unavailable("too many requests wait for the database".into()))
    }
}

async fn dispatch<J, R: Future<Output = ()> + Send + 'static>(
    mut queue: Receiver<J>,
    limits: Limits,
    run: impl Fn(Vec<J>) -> R,
) {
    // In tasks of their own: if one panics, its requests are told so, and the others go on.
    let mut in_flight = JoinSet::new();
    let mut waiting = Vec::new();
    let mut last_size = 0;
    loop {
        let least = if in_flight.is_empty() { 1 } else { (last_size / 2).max(limits.least_behind) };
        if waiting.len() >= least && in_flight.len() < limits.in_flight {
            last_size = waiting.len();
            in_flight.spawn(run(std::mem::take(&mut waiting)));
        }
        let room = limits.group - waiting.len();
        tokio::select! {
            biased;
            received = queue.recv_many(&mut waiting, room), if room > 0 => {
                if received == 0 {
                    break;
                }
            }
            Some(_) = in_flight.join_next() => {}
        }
    }
}
