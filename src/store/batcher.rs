//! Groups jobs that arrive while earlier groups are in flight, so that a group shares one statement.
//!
//! No job waits for a timer: a single job is dispatched at once. While groups are in flight, the next one is dispatched
//! when it is half as large as the last. This keeps the database busy without many small groups.

use tokio::{
    sync::mpsc::{self, Sender},
    task::JoinSet,
};

use crate::error::Error;

#[derive(Clone, Copy)]
pub struct GroupLimits {
    /// Groups in flight at once.
    pub in_flight: usize,
    /// The most jobs in one group. A larger group gains little, and its first job waits for its last.
    pub most: usize,
    /// The fewest jobs in a group that is dispatched while others are in flight.
    pub least: usize,
    /// Waiting jobs. One more is refused.
    pub queue: usize,
}

/// A queue of jobs. Dispatching ends when it is dropped.
pub struct Batcher<J> {
    queue: Sender<J>,
}

impl<J: Send + 'static> Batcher<J> {
    /// Starts a task that passes groups to `run`.
    pub fn start<R: Future<Output = ()> + Send + 'static>(
        limits: GroupLimits,
        run: impl Fn(Vec<J>) -> R + Send + 'static,
    ) -> Self {
        let (queue, mut jobs) = mpsc::channel(limits.queue);
        tokio::spawn(async move {
            // A task per group: a panic in one fails only its own requests.
            let mut in_flight = JoinSet::new();
            let mut waiting = Vec::new();
            let mut last_size = 0;
            loop {
                let least = if in_flight.is_empty() { 1 } else { (last_size / 2).max(limits.least) };
                if waiting.len() >= least && in_flight.len() < limits.in_flight {
                    last_size = waiting.len();
                    in_flight.spawn(run(std::mem::take(&mut waiting)));
                }
                let room = limits.most - waiting.len();
                tokio::select! {
                    biased;
                    received = jobs.recv_many(&mut waiting, room), if room > 0 => {
                        if received == 0 {
                            break;
                        }
                    }
                    Some(_) = in_flight.join_next() => {}
                }
            }
        });
        Self { queue }
    }

    pub fn push(&self, job: J) -> Result<(), Error> {
        self.queue.try_send(job).map_err(|_| Error::Unavailable("too many requests wait for the database".into()))
    }
}
