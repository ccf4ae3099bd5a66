//! Random histories sent by several senders at once, through one process and through more: every answer is what the
//! model says after some of the writes in the order of their events, and once all are answered all stands as it says.
//!
//! `tests/races/run` says how to try more of them.

mod check;
mod events;
mod mutations;
mod plan;
mod replay;
mod senders;
mod tampering;
mod timeline;

use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use check::{Violation, check};
use events::Event;
use plan::plan;
use senders::{Answered, Place, play};

use crate::harness::{Database, Service};

/// Of all histories, through any number of processes.
const HISTORIES: u64 = 100;

/// Processes on one database of their own.
struct Processes {
    database: Database,
    services: Vec<Service>,
}

impl Processes {
    fn start(count: usize) -> Self {
        let database = Database::new();
        let url = database.url();
        // On a machine that other tests keep busy, too, nobody gives up.
        let environment =
            [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_POOL_TIMEOUT", "30"), ("DEPLOYLOG_STATEMENT_TIMEOUT", "30")];
        let services = (0..count).map(|_| Service::with_environment(&environment)).collect();
        Self { database, services }
    }

    /// Plays the history of a seed on components of its own: the calls and the events.
    fn play(&self, seed: u64) -> (Vec<Answered>, Vec<Event>) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let place = Place { services: &self.services, components: ["a", "b"].map(|name| format!("{name}{number}")) };
        let last = events::last(&self.database);
        let calls = play(&place, plan(seed));
        (calls, events::since(&self.database, last))
    }

    /// What the histories of these seeds are caught at.
    fn caught(&self, seeds: Range<u64>) -> impl Iterator<Item = (u64, Violation)> {
        seeds.filter_map(|seed| {
            let (calls, events) = self.play(seed);
            Some((seed, check(&calls, &events).err()?))
        })
    }
}

/// A number that is set from outside.
fn set(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is no number: {value}")))
}

/// Plays this share of all histories through so many processes.
fn try_histories(processes: usize, percent: u64) {
    let histories = (set("RACES_HISTORIES").unwrap_or(HISTORIES) * percent).div_ceil(100);
    let seed = set("RACES_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 1_000_000);
    let all = Processes::start(processes);
    let caught: Vec<(u64, Violation)> = all.caught(seed..seed + histories).collect();
    let wrong = caught.iter().find(|(_, violation)| matches!(violation, Violation::Wrong(_)));
    if let Some((seed, violation)) = wrong.or(caught.first()) {
        panic!(
            "{} of {histories} histories through {processes} processes are not as the model says; \
             tests/races/run --seed {seed} --histories 1 sends this one again:\n{}",
            caught.len(),
            violation.reason()
        );
    }
}

#[test]
fn every_response_of_one_process_matches_the_model() {
    try_histories(1, 20);
}

#[test]
fn every_response_of_two_processes_matches_the_model() {
    try_histories(2, 30);
}

#[test]
fn every_response_of_four_processes_matches_the_model() {
    try_histories(4, 50);
}
