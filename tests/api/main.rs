//! Tests of the HTTP interface and the commands: a real process, real sockets and a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod harness;

mod backup;
mod clock;
mod corpus;
mod current;
mod database;
mod deadlines;
mod deploys;
mod dora;
mod durations;
mod embedded;
mod events;
mod history;
mod http;
mod idempotency;
mod import;
mod kill;
mod list;
mod load;
mod locks;
mod log;

mod metrics;
mod model;
mod openapi;
mod pairing;
mod process;
mod races;
mod readme;
mod reads;
mod records;
mod replicas;
mod retention;
mod sample_data;
mod startup;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
mod upgrade;
