//! Several clients send random requests concurrently to one, two and four processes. Every response must match the model
//! at some point in the order of the logged events, and the final state must match the model.
//!
//! `tests/races/run` tests more histories.

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
use senders::{Exchange, Target, play};

use crate::harness::{Database, Service};

/// The number of histories of all tests together.
const HISTORIES: u64 = 100;

/// Several processes on one private schema.
struct Processes {
    database: Database,
    services: Vec<Service>,
}

impl Processes {
    fn start(count: usize) -> Self {
        let database = Database::new();
        let url = database.url();
        // Long timeouts, so that no request fails on a busy machine.
        let environment =
            [("DATABASE_URL", url.as_str()), ("DEPLOYLOG_POOL_TIMEOUT", "30"), ("DEPLOYLOG_STATEMENT_TIMEOUT", "30")];
        let services = (0..count).map(|_| Service::with_environment(&environment)).collect();
        Self { database, services }
    }

    /// Sends the history of a seed to components of its own. Returns the exchanges and the events.
    fn play(&self, seed: u64) -> (Vec<Exchange>, Vec<Event>) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let target = Target { services: &self.services, components: ["a", "b"].map(|name| format!("{name}{number}")) };
        let last = events::last(&self.database);
        let exchanges = play(&target, plan(seed));
        (exchanges, events::since(&self.database, last))
    }

    /// The violations of the histories of these seeds.
    fn violations(&self, seeds: Range<u64>) -> impl Iterator<Item = (u64, Violation)> {
        seeds.filter_map(|seed| {
            let (exchanges, events) = self.play(seed);
            Some((seed, check(&exchanges, &events).err()?))
        })
    }
}

/// A number from an environment variable.
fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} must be a number: {value}")))
}

/// Tests this share of the histories with this number of processes.
fn test_histories(processes: usize, percent: u64) {
    let histories = (number_from("RACES_HISTORIES").unwrap_or(HISTORIES) * percent).div_ceil(100);
    let seed = number_from("RACES_SEED").unwrap_or_else(|| u64::from(std::process::id()) * 1_000_000);
    let running = Processes::start(processes);
    let violations: Vec<(u64, Violation)> = running.violations(seed..seed + histories).collect();
    let wrong = violations.iter().find(|(_, violation)| matches!(violation, Violation::Wrong(_)));
    if let Some((seed, violation)) = wrong.or(violations.first()) {
        panic!(
            "{} of {histories} histories with {processes} processes do not match the model; \
             tests/races/run --seed {seed} --histories 1 repeats this one:\n{}",
            violations.len(),
            violation.reason()
        );
    }
}

#[test]
fn every_response_of_one_process_matches_the_model() {
    test_histories(1, 20);
}

#[test]
fn every_response_of_two_processes_matches_the_model() {
    test_histories(2, 30);
}

#[test]
fn every_response_of_four_processes_matches_the_model() {
    test_histories(4, 50);
}
