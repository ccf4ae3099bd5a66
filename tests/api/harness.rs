//! Starts what the tests need and ends it again: one PostgreSQL for all of them, a schema and a service for each.

mod client;
mod postgres;
mod service;

pub use client::{Answer, Connection};
pub use postgres::{Database, OwnCluster, PrivateDirectory, Session, postmaster, sql};
pub use service::{PROGRAM, Service, signal};

use std::time::{Duration, Instant};

/// A record's four required fields.
pub const DEPLOYED: &str = r#"{"component":"web","version":"2.1","owner":"ann","status":"deployed"}"#;

/// Asks until the answer is yes: for what happens soon, but not at once.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "never came about: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
