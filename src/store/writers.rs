//! Group commit: records that arrive while statements are in flight share the next one.
//!
//! Nothing waits for a timer: a record that is alone goes at once. While a statement is in flight the next one goes as
//! soon as it is half as large, so that they keep the database busy without breaking what arrives into small ones.

mod group;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tokio::{
    sync::{
        OwnedMutexGuard,
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    task::{self, JoinError, JoinSet},
    time::timeout,
};

use super::{Delivery, Inner, connections::Failure, lanes::LANES};
use crate::error::Error;
use group::{GivenUp, Job, Outcome, write_group};

/// On one connection: the server finds the second as soon as it has answered the first, and a core is left to the others.
/// On connections of their own three took half as much again of the database's time for each record.
const IN_FLIGHT: usize = 2;
/// Fewer are not worth a statement behind another: they wait for its end.
const LEAST_BEHIND: usize = 16;
/// A larger group gains little more, and its first record waits for its last.
const MAX_GROUP: usize = 256;
/// Of those who wait, so many are looked at when a group leaves.
const MAX_WAITING: usize = 1024;
/// Behind them.
const MAX_QUEUE: usize = 3072;

/// The queue. Writing ends when this goes.
pub struct Writers {
    queue: Sender<Job>,
}

impl Writers {
    /// Starts writing.
    pub fn start(inner: &Arc<Inner>) -> Self {
        let (queue, jobs) = mpsc::channel(MAX_QUEUE);
        tokio::spawn(write(inner.clone(), jobs));
        Self { queue }
    }

    /// Records one delivery; it is written to its end whatever becomes of the caller. Deliveries of one `lane` are
    /// written in turn.
    pub async fn record(&self, lane: usize, delivery: Delivery) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let full = |_| Error::Unavailable("the queue of writes is full".into());
        self.queue.try_send(Job { lane, delivery, answer }).map_err(full)?;
        answered.await.unwrap_or_else(|_| Err(Error::Internal("a write was given up".into())))
    }
}

async fn write(inner: Arc<Inner>, mut queue: Receiver<Job>) {
    let mut board = Board { lanes: (0..LANES).map(|_| Lane::Free).collect(), ..Board::default() };
    loop {
        while board.has_room()
            && let Ok(job) = queue.try_recv()
        {
            board.admit(job);
        }
        board.send_off(&inner);
        tokio::select! {
            job = queue.recv(), if board.has_room() => match job {
                Some(job) => board.admit(job),
                None => break,
            },
            Some(waited) = board.waits.join_next() => board.step_in(waited),
            Some(landed) = board.flights.join_next_with_id() => {
                if let Some((failure, mut jobs)) = board.land(landed) {
                    // Those that wait by now would only wait for the same. Who comes once the first is told is none of
                    // them.
                    jobs.extend(board.give_up().chain(std::iter::from_fn(|| queue.try_recv().ok())));
                    for job in jobs {
                        job.fail(&failure);
                    }
                }
            }
        }
    }
}

/// Whose a lane is.
enum Lane {
    /// Nobody's here; an import or a change may have it.
    Free,
    /// Ours, for the next group.
    Held(OwnedMutexGuard<()>),
    /// A statement's in flight.
    InFlight,
    /// Somebody else's: it is waited for.
    Waited,
}

/// Who waits, and what is in flight.
#[derive(Default)]
struct Board {
    waiting: VecDeque<Job>,
    /// Those whose lane is in flight or waited for.
    blocked: VecDeque<Job>,
    /// In tasks of their own: should one panic, its requests are told so, and the others go on.
    flights: JoinSet<Result<(), GivenUp>>,
    /// The lanes of each.
    flown: HashMap<task::Id, Vec<usize>>,
    lanes: Vec<Lane>,
    /// Those who wait for a lane, one for all its records; and whether they got it in time.
    waits: JoinSet<(usize, Option<OwnedMutexGuard<()>>)>,
    /// How many records the last one took along.
    last: usize,
}

impl Board {
    fn has_room(&self) -> bool {
        self.waiting.len() + self.blocked.len() < MAX_WAITING
    }

    fn admit(&mut self, job: Job) {
        let is_blocked = matches!(self.lanes[job.lane], Lane::InFlight | Lane::Waited);
        if is_blocked { &mut self.blocked } else { &mut self.waiting }.push_back(job);
    }

    /// Lets a group go, where it is time.
    fn send_off(&mut self, inner: &Arc<Inner>) {
        let least = if self.flights.is_empty() { 1 } else { self.last.div_ceil(2).max(LEAST_BEHIND) };
        if self.flights.len() == IN_FLIGHT || self.waiting.len() < least {
            return;
        }
        let mut group = Vec::with_capacity(self.waiting.len().min(MAX_GROUP));
        let (mut held, mut lanes, mut keys) = (Vec::new(), Vec::new(), HashSet::new());
        while group.len() < MAX_GROUP
            && let Some(job) = self.waiting.pop_front()
        {
            let taken = match std::mem::replace(&mut self.lanes[job.lane], Lane::InFlight) {
                // This group's: those of others do not wait here.
                Lane::InFlight => None,
                Lane::Held(lane) => Some(lane),
                lane => {
                    let is_waited = matches!(lane, Lane::Waited);
                    let free = if is_waited { None } else { inner.lanes.try_hold(job.lane) };
                    if free.is_none() {
                        self.lanes[job.lane] = Lane::Waited;
                        if !is_waited {
                            self.wait_for(inner, job.lane);
                        }
                        self.blocked.push_back(job);
                        continue;
                    }
                    free
                }
            };
            if let Some(lane) = taken {
                held.push(lane);
                lanes.push(job.lane);
            }
            // A key that the group has already waits for the next: there it finds its record.
            if job.key().is_none_or(|key| keys.insert(key)) {
                group.push(job);
            } else {
                self.blocked.push_back(job);
            }
        }
        if group.is_empty() {
            return;
        }
        self.last = group.len();
        let inner = inner.clone();
        let flight = self.flights.spawn(async move {
            let _held = held;
            write_group(&inner, group).await
        });
        self.flown.insert(flight.id(), lanes);
        for job in std::mem::take(&mut self.waiting) {
            self.admit(job);
        }
    }

    fn wait_for(&mut self, inner: &Arc<Inner>, lane: usize) {
        let inner = inner.clone();
        self.waits.spawn(async move { (lane, timeout(inner.lane_wait, inner.lanes.hold_one(lane)).await.ok()) });
    }

    /// Takes a lane that was waited for; where it was waited for too long, so have those who want it.
    fn step_in(&mut self, waited: Result<(usize, Option<OwnedMutexGuard<()>>), JoinError>) {
        let Ok((number, lane)) = waited else { return };
        let is_late = lane.is_none();
        self.lanes[number] = lane.map_or(Lane::Free, Lane::Held);
        if is_late {
            let (overdue, others): (VecDeque<_>, _) = self.blocked.drain(..).partition(|job| job.lane == number);
            self.blocked = others;
            for job in overdue {
                job.fail(&Failure::Overloaded("earlier writes of the component take too long".into()));
            }
        }
        self.admit_again();
    }

    /// All that could go at once, and their lanes with them.
    fn give_up(&mut self) -> impl Iterator<Item = Job> {
        for lane in &mut self.lanes {
            if matches!(lane, Lane::Held(_)) {
                *lane = Lane::Free;
            }
        }
        self.waiting.drain(..)
    }

    fn admit_again(&mut self) {
        self.blocked.append(&mut self.waiting);
        for job in std::mem::take(&mut self.blocked) {
            self.admit(job);
        }
    }

    /// Lets those wait again that it stood in the way of. Answers why there is no database to be had, where that is so.
    fn land(&mut self, landed: Result<(task::Id, Result<(), GivenUp>), JoinError>) -> Option<GivenUp> {
        let (id, given_up) = match landed {
            Ok((id, result)) => (id, result.err()),
            Err(panic) => (panic.id(), None),
        };
        for lane in self.flown.remove(&id).unwrap_or_default() {
            self.lanes[lane] = Lane::Free;
        }
        self.admit_again();
        given_up
    }
}
