//! Faults under load, one after the other, each checked: `tests/faults/run` says how it is called.
//!
//! - [`scene`]: a service, load on it, and what is looked at afterwards; [`witness`] sees it from a sender's side.
//! - [`kills`], [`network`], [`locks`], [`shortages`], [`replication`], [`front`], [`clock`]: the faults.
//! - [`sweep`]: every database message of every call.
//! - [`postgres`] and [`proxy`], which reads the [`protocol`]: what is broken.
//! - [`table`]: what came of it. [`random`]: when.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::must_use_candidate, missing_docs, reason = "tests")]

#[path = "../api"]
mod api {
    #[allow(dead_code, unused_imports, reason = "shared with the tests of the interface, which use it all")]
    pub mod harness;
}

mod clock;
mod front;
mod kills;
mod locks;
mod network;
mod postgres;
mod protocol;
mod proxy;
mod random;
mod replication;
mod scene;
mod shortages;
mod sweep;
mod table;
mod witness;

use std::{
    ops::Range,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use api::harness::TempDirectory;
use postgres::Postgres;
use proxy::Proxy;
use random::Random;
use scene::Scene;
use table::{Row, Table};

type Fault = fn(&mut Lab) -> Row;

/// Each with how often it is tried in a round of a long run; those with 0 are tried in the first round only.
const FAULTS: [(&str, usize, Fault); 27] = [
    ("the service is killed", 5, kills::service),
    ("a PostgreSQL backend is killed", 2, kills::backend),
    ("its checkpointer is killed", 1, kills::checkpointer),
    ("its postmaster is killed", 1, kills::postmaster),
    ("all of PostgreSQL is killed", 1, kills::all_of_it),
    ("PostgreSQL is stopped for a while", 1, kills::stopped),
    ("the network stands still, then goes on", 1, network::still),
    ("the network swallows everything", 1, network::swallowing),
    ("the network is cut", 1, network::cut),
    ("the network is 2 s late", 1, network::late),
    ("the network resets amid a message", 1, network::reset),
    ("a write is cut off and carried out later", 1, network::given_up),
    ("PostgreSQL's disk is full", 1, shortages::disk),
    ("its table is locked", 1, shortages::table_lock),
    ("its rows are locked", 1, shortages::row_locks),
    ("the service's clock jumps by a day", 1, clock::jumps),
    ("the service has no more memory", 1, shortages::memory_of_service),
    ("PostgreSQL has no more memory", 1, shortages::memory_of_postgres),
    ("a second replica comes and goes", 1, kills::replica),
    ("a replica is killed while it holds locks", 1, locks::replica_killed),
    ("a connection is cut between lock and commit", 1, locks::connection_cut),
    ("a backend is stopped before it has its lock", 1, locks::stopped_before),
    ("a backend is stopped while it holds locks", 1, locks::stopped_after),
    ("the lock table is full", 1, shortages::lock_table),
    ("the synchronous standby is away", 1, replication::standby_away),
    ("a replica behind haproxy is killed", 1, front::replica),
    ("any message of any call fails", 0, sweep::all),
];

/// What the faults share.
pub struct Lab<'a> {
    pub postgres: &'a Postgres,
    pub random: Random,
    /// Whether each fault lasts as long as it should.
    is_long: bool,
}

impl<'a> Lab<'a> {
    /// One service on a schema of its own.
    pub fn scene(&self) -> Scene<'a> {
        let mut scene = Scene::new(self.postgres, None);
        scene.add_service();
        scene
    }

    /// The same, with a network in between.
    pub fn scene_behind(&self, proxy: &Proxy) -> Scene<'a> {
        let mut scene = Scene::new(self.postgres, Some(proxy.address));
        scene.add_service();
        // All that it asks by itself it asks at once, and then again and again.
        std::thread::sleep(Duration::from_millis(300));
        proxy.knows_own_questions();
        scene
    }

    /// How often something short strikes.
    pub fn often(&self) -> u64 {
        if self.is_long { 5 } else { 2 }
    }

    /// How long something long lasts.
    pub fn seconds(&self, long: u64, short: u64) -> Duration {
        Duration::from_secs(if self.is_long { long } else { short })
    }

    /// Lets the load run for some milliseconds: nobody knows where it is then.
    pub fn pause(&mut self, millis: Range<u64>) {
        std::thread::sleep(Duration::from_millis(self.random.within(millis)));
    }
}

/// What the command line asks for.
struct Options {
    seed: u64,
    minutes: Option<u64>,
    /// Part of the name of those that are tried.
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
    let began = Instant::now();
    let is_over = || began.elapsed() >= Duration::from_secs(60 * minutes.unwrap_or_default());
    let mut table = Table::default();
    for round in 1.. {
        for (number, (name, often, fault)) in FAULTS.iter().enumerate().filter(|(_, (name, ..))| name.contains(&only)) {
            let times = if minutes.is_none() || round == 1 && *often == 0 { 1 } else { *often };
            for time in 0..times {
                // Each has chances of its own, so that it is the same by itself.
                let random = Random::new(seed.wrapping_mul(1 << 16) + round * 1000 + number as u64 * 10 + time as u64);
                let mut lab = Lab { postgres: &postgres, random, is_long: minutes.is_some() };
                let row = fault(&mut lab);
                println!("{:>6} s, round {round}: {name}: {row}", began.elapsed().as_secs());
                table.add(number, name, row);
            }
        }
        if is_over() {
            break;
        }
    }
    print!("\n{table}\nseed {seed}, {} s\n", began.elapsed().as_secs());
    if table.total().is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
