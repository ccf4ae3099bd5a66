//! Sends the requests of one connection.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::connection::{HttpConnection, RequestError};
use super::options::Mix;
use super::schedule::Schedule;
use super::stats::Stats;
use super::workload::{Acknowledged, Item, Step, Workload};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// A run, shared by all its senders.
pub struct Run {
    pub mix: Mix,
    pub workload: Arc<Workload>,
    /// The ids that the mix `read` reads.
    pub ids: Vec<i64>,
    pub schedule: Arc<Schedule>,
    /// Whether the acknowledged records are needed later.
    pub keeps_records: bool,
    pub stats: Mutex<Stats>,
}

impl Run {
    pub fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Sender {
    run: Arc<Run>,
    connection: HttpConnection,
    request: Vec<u8>,
    body: Vec<u8>,
    /// The number of the deploy whose start was sent, and the id of that start if it was acknowledged.
    started: Option<(u64, Option<i64>)>,
    random: u64,
    pause: Duration,
}

impl Sender {
    /// Different numbers read the ids in different orders.
    pub fn new(run: Arc<Run>, connection: HttpConnection, number: u64) -> Self {
        let random = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { run, connection, request: Vec::new(), body: Vec::new(), started: None, random, pause: FIRST_PAUSE }
    }

    /// Sends requests until the schedule ends.
    pub async fn send_all(mut self) {
        while let Some(due) = self.run.schedule.next().await {
            let item = self.write_next();
            let id = self.send(due, item).await;
            self.started = item.filter(|item| item.step == Step::Start).map(|item| (item.number, id));
        }
    }

    /// Writes the next request and returns the item that it records; `None` for a read.
    fn write_next(&mut self) -> Option<Item> {
        let run = &*self.run;
        let (number, step) = match (run.mix, self.started) {
            (Mix::Read, _) => {
                // A linear congruential generator: cheap, and no cache predicts it.
                self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let id = usize::try_from(self.random >> 33).ok().and_then(|random| run.ids.get(random % run.ids.len()));
                run.workload.write_read(format_args!("/api/{}", id.copied().unwrap_or_default()), &mut self.request);
                return None;
            }
            (Mix::Record, _) => (run.workload.next_number(), Step::Whole),
            (Mix::Lifecycle, None) => (run.workload.next_number(), Step::Start),
            (Mix::Lifecycle, Some((number, _))) => (number, Step::Finish),
        };
        let item = Item { number, step };
        run.workload.write_record(item, &mut self.request, &mut self.body);
        Some(item)
    }

    /// Sends the request until it succeeds or is not retried any more. Returns the id of the recorded item.
    async fn send(&mut self, due: Instant, item: Option<Item>) -> Option<i64> {
        let run = &*self.run;
        let behind = due.elapsed();
        loop {
            let (error, is_transient, retry_after) = match self.connection.exchange(&self.request).await {
                Err(error) => (error, error.is_transient(), None),
                Ok(response) => {
                    let id = item.and_then(|_| response.id());
                    let mut stats = run.stats();
                    if response.is_success() && id.is_some() == item.is_some() {
                        stats.succeed(response.head.status, due.elapsed());
                        stats.behind = behind;
                        if let (Some(item), Some(id), true) = (item, id, run.keeps_records) {
                            let start = self.started.filter(|_| item.step == Step::Finish);
                            let start_id = start.and_then(|(_, id)| id);
                            stats.acknowledged.push(Acknowledged { item, id, start_id });
                        }
                        self.pause = FIRST_PAUSE;
                        return id;
                    }
                    stats.refuse(&response);
                    if response.is_denied() {
                        run.schedule.stop();
                    }
                    let error = if response.is_success() { RequestError::Unreadable } else { RequestError::Status };
                    (error, response.is_transient(), response.head.retry_after)
                }
            };
            let is_final = !(run.workload.options.is_retrying && is_transient) || run.schedule.is_over();
            if is_final {
                run.stats().fail(error, 1);
            }
            // Without a pause, a failed connection would fail again at once.
            if !is_final || error == RequestError::Connect {
                sleep(retry_after.unwrap_or(self.pause).min(MAX_PAUSE)).await;
                self.pause = (self.pause * 2).min(MAX_PAUSE);
            }
            if is_final {
                return None;
            }
            run.stats().retries += 1;
        }
    }
}
