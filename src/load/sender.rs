//! One connection's part of a run.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    answer::Failure,
    connection::Connection,
    options::Mix,
    pace::{GRACE, Pace},
    tally::Shared,
    things::{Acknowledged, Step, Thing, Things},
};

/// Between two attempts: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What all senders of a run have in common.
pub struct Run {
    /// Before `/api/`.
    pub prefix: String,
    /// What is sent.
    pub mix: Mix,
    /// Its content.
    pub things: Arc<Things>,
    /// The ids that are read, where the mix reads.
    pub ids: Arc<[i64]>,
    /// When.
    pub pace: Pace,
    /// Whether it is sent until it is acknowledged.
    pub is_retrying: bool,
    /// Whether what is acknowledged is kept.
    pub keeps_ids: bool,
    /// What came of it.
    pub tally: Shared,
}

/// Sends on one connection.
pub struct Sender {
    run: Arc<Run>,
    connection: Connection,
    request: Vec<u8>,
    body: Vec<u8>,
    /// The deploy whose start was sent, and the start's id, 0 if it is not known.
    under_way: Option<(u64, i64)>,
    random: u64,
    pause: Duration,
}

impl Sender {
    /// The sender with this number; its connection is opened when it is first used, if it was not before.
    #[must_use]
    pub fn new(run: Arc<Run>, connection: Connection, number: u64) -> Self {
        let random = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { run, connection, request: Vec::new(), body: Vec::new(), under_way: None, random, pause: PAUSES.0 }
    }

    /// Sends until the run is over.
    pub async fn send_all(mut self) {
        while let Some(due) = self.run.pace.next().await {
            let late = due.elapsed();
            let thing = self.write_next();
            let id = self.settle(due, late, thing).await;
            if let Some(thing) = thing {
                self.under_way = (thing.step() == Step::Start).then(|| (thing.number(), id.unwrap_or(0)));
            }
        }
    }

    /// Writes the next request; the thing that it records, if it does.
    fn write_next(&mut self) -> Option<Thing> {
        let run = &*self.run;
        let thing = match (run.mix, self.under_way) {
            (Mix::Read, _) => {
                // xorshift: any order will do that no cache foresees.
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                let id = usize::try_from(self.random).ok().and_then(|random| run.ids.get(random % run.ids.len()));
                let path = format_args!("{}/api/{}", run.prefix, id.copied().unwrap_or_default());
                run.things.write_read(path, &mut self.request);
                return None;
            }
            (Mix::Record, _) => Thing::new(run.things.draw(), Step::Whole),
            (Mix::Lifecycle, None) => Thing::new(run.things.draw(), Step::Start),
            (Mix::Lifecycle, Some((number, _))) => Thing::new(number, Step::Finish),
        };
        run.things.write_record(thing, &mut self.request, &mut self.body);
        Some(thing)
    }

    /// Sends the request until it has succeeded, or failed for good; the id of what it recorded.
    async fn settle(&mut self, due: Instant, late: Duration, thing: Option<Thing>) -> Option<i64> {
        let run = &*self.run;
        loop {
            let (failure, is_passing, wanted) = match self.connection.exchange(&self.request).await {
                Ok(answer) if answer.is_success() => {
                    let id = thing.and_then(|_| answer.id());
                    if thing.is_none() || id.is_some() {
                        let mut tally = run.tally.lock();
                        tally.succeed(answer.head.status, due.elapsed());
                        tally.behind = late;
                        if let (Some(thing), Some(id), true) = (thing, id, run.keeps_ids) {
                            let start =
                                if thing.step() == Step::Finish { self.under_way.map_or(0, |(_, id)| id) } else { 0 };
                            tally.acknowledged.push(Acknowledged { thing, id, start });
                        }
                        self.pause = PAUSES.0;
                        return id;
                    }
                    run.tally.lock().refuse(answer.head.status, || answer.excerpt());
                    (Failure::Unreadable, false, None)
                }
                Ok(answer) => {
                    if let Some(denial) = answer.denial() {
                        run.tally.lock().denial = Some(denial);
                        run.pace.stop();
                    }
                    run.tally.lock().refuse(answer.head.status, || answer.excerpt());
                    (Failure::Status, answer.is_passing(), answer.head.retry_after)
                }
                Err(failure) => (failure, failure.is_passing(), None),
            };
            let is_final = !(run.is_retrying && is_passing) || run.pace.is_over(GRACE);
            if is_final {
                run.tally.lock().fail(failure);
            }
            if !is_final || failure == Failure::Connect {
                // Nobody is helped by attempts that only fail faster.
                sleep(wanted.unwrap_or(self.pause).min(PAUSES.1)).await;
                self.pause = (self.pause * 2).min(PAUSES.1);
            }
            if is_final {
                return None;
            }
            run.tally.lock().retries += 1;
        }
    }
}
