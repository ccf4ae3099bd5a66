//! Injects faults under load, one after the other, and checks that nothing acknowledged is lost, duplicated or wrong.
//! `tests/faults/run` shows the usage.
//!
//! - [`scenario`]: a service under load and the checks afterwards; [`probe`]: one client that records every response.
//! - [`kills`], [`network`], [`locks`], [`shortages`], [`replication`], [`load_balancer`], [`clock`]: the faults.
//! - [`sweep`]: a fault at each database message of each call.
//! - [`postgres`], [`proxy`] and [`protocol`]: the tools that cause the faults.
//! - [`table`]: the results. [`random`]: repeatable random numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::must_use_candidate, missing_docs, reason = "tests")]

#[path = "../api"]
mod api {
    #[allow(dead_code, unused_imports, reason = "shared with the API tests")]
    pub mod harness;
}

mod clock;
mod kills;
mod load_balancer;
mod locks;
mod network;
mod postgres;
mod probe;
mod protocol;
mod proxy;
mod random;
mod replication;
mod scenario;
mod shortages;
mod sweep;
mod table;

use std::{
    ops::Range,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use api::harness::TempDirectory;
use postgres::Postgres;
use proxy::Proxy;
use random::Random;
use scenario::Scenario;
use table::{Row, Table};

type Fault = fn(&mut Context) -> Row;

/// Each fault with its number of attempts per round of a long run; 0 means once, in the first round only.
const FAULTS: [(&str, usize, Fault); 29] = [
    ("the service is killed", 5, kills::service),
    ("a PostgreSQL backend is killed", 2, kills::backend),
    ("the checkpointer is killed", 1, kills::checkpointer),
    ("the postmaster is killed", 1, kills::postmaster),
    ("all PostgreSQL processes are killed", 1, kills::all_processes),
    ("the socket of PostgreSQL is deleted", 1, kills::socket_deleted),
    ("PostgreSQL is stopped and continued", 1, kills::stopped),
    ("the network stalls, then delivers all data", 1, network::stalled),
    ("the network drops all data silently", 1, network::dropping),
    ("the network closes all connections", 1, network::closed),
    ("the network delays all data by 2 s", 1, network::delayed),
    ("a connection is reset within a message", 1, network::reset),
    ("a write is cut off and executed later", 1, network::executed_later),
    ("the disk of PostgreSQL is full", 1, shortages::disk),
    ("the disk of a private PostgreSQL is full", 1, shortages::private_disk),
    ("the table is locked", 1, shortages::table_lock),
    ("the rows are locked", 1, shortages::row_locks),
    ("the clock of the service jumps by a day", 1, clock::jumps),
    ("the service runs out of memory", 1, shortages::memory_of_service),
    ("PostgreSQL runs out of memory", 1, shortages::memory_of_postgres),
    ("a second replica is killed or stopped", 1, kills::replica),
    ("a replica is killed while it holds locks", 1, locks::replica_killed),
    ("a connection is cut between lock and commit", 1, locks::connection_cut),
    ("a backend is stopped while it awaits a lock", 1, locks::stopped_while_waiting),
    ("a backend is stopped while it holds locks", 1, locks::stopped_while_holding),
    ("the lock table is full", 1, shortages::lock_table),
    ("the synchronous standby is down", 1, replication::standby_down),
    ("a replica behind haproxy is killed", 1, load_balancer::replica),
    ("each database message of each call fails", 0, sweep::all),
];

/// Shared by all faults.
pub struct Context<'a> {
    pub postgres: &'a Postgres,
    pub random: Random,
    /// A long run repeats faults more often and lets them last longer.
    is_long: bool,
}

impl<'a> Context<'a> {
    /// One service on its own schema.
    pub fn scenario(&self) -> Scenario<'a> {
        let mut scenario = Scenario::new(self.postgres, None);
        scenario.add_service();
        scenario
    }

    /// One service that reaches PostgreSQL through a proxy.
    pub fn scenario_through(&self, proxy: &Proxy) -> Scenario<'a> {
        let mut scenario = Scenario::new(self.postgres, Some(proxy.address));
        scenario.add_service();
        // The service sends each of its background queries soon after startup.
        std::thread::sleep(Duration::from_millis(300));
        proxy.mark_background_queries();
        scenario
    }

    /// The number of times a short fault strikes.
    pub fn repetitions(&self) -> u64 {
        if self.is_long { 5 } else { 2 }
    }

    /// The duration of a lasting fault.
    pub fn seconds(&self, long: u64, short: u64) -> Duration {
        Duration::from_secs(if self.is_long { long } else { short })
    }

    /// Lets the load run for a random time, so that the fault strikes at a random point.
    pub fn pause(&mut self, millis: Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.random.within(millis)));
    }
}

struct Options {
    seed: u64,
    minutes: Option<u64>,
    /// Runs only the faults whose name contains this.
    only: String,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut options = Self { seed, minutes: None, only: String::new() };
        while let Some(flag) = arguments.next() {
            match (flag.as_str(), arguments.next()?) {
                ("--seed", seed) => options.seed = seed.parse().ok()?,
                ("--minutes", minutes) => options.minutes = Some(minutes.parse().ok()?),
                ("--only", name) => options.only = name,
                _ => return None,
            }
        }
        Some(options)
    }
}

fn main() -> ExitCode {
    let Some(Options { seed, minutes, only }) = Options::read(std::env::args().skip(1)) else {
        eprintln!("usage: tests/faults/run [--minutes M] [--seed N] [--only NAME]");
        return ExitCode::from(64);
    };
    println!("seed {seed}");
    let postgres = Postgres::start(TempDirectory::new());
    let start = Instant::now();
    let is_over = || start.elapsed() >= Duration::from_secs(60 * minutes.unwrap_or_default());
    let mut table = Table::default();
    for round in 1.. {
        for (number, (name, repetitions, fault)) in
            FAULTS.iter().enumerate().filter(|(_, (name, ..))| name.contains(&only))
        {
            let times = if minutes.is_none() || round == 1 && *repetitions == 0 { 1 } else { *repetitions };
            for time in 0..times {
                // A seed per attempt: --only repeats exactly the same fault.
                let random = Random::new(seed.wrapping_mul(1 << 16) + round * 1000 + number as u64 * 10 + time as u64);
                let mut context = Context { postgres: &postgres, random, is_long: minutes.is_some() };
                let row = fault(&mut context);
                println!("{:>6} s, round {round}: {name}: {row}", start.elapsed().as_secs());
                table.add(number, name, row);
            }
        }
        if is_over() {
            break;
        }
    }
    print!("\n{table}\nseed {seed}, {} s\n", start.elapsed().as_secs());
    if table.total().is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
