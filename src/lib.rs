//! deploylog records deploys and measures the time each takes.
//!
//! A sender says who puts which version of what where, and where that stands; the service keeps it as a record and
//! works out, in the database, which start a finish belongs to. In reading order:
//!
//! - [`config`]: what can be set, by flag and environment.
//! - [`commands`]: what the process can be asked to do, serving first of all.
//! - [`server`]: connections: how many, how long, and how they end.
//! - [`app`]: one request in, one response out.
//! - [`route`]: which call a method and a path are.
//! - [`access`]: who may do what. No I/O.
//! - [`handlers`]: what each call does.
//! - [`request`] and [`reply`]: bodies, queries and headers, in and out.
//! - [`record`]: what a record is, and what makes one valid. No I/O.
//! - [`deploy`]: what records tell of deploys and of their stages. No I/O.
//! - [`event`]: what is told of records as it happens. No I/O.
//! - [`history`]: what records were until they were changed. No I/O.
//! - [`filter`], [`cursor`] and [`report`]: what is asked of lists and reports, and what they answer. No I/O.
//! - [`page`]: the page's files. No I/O.
//! - [`store`]: the queries, and what keeps them right when many write at once.
//! - [`batcher`]: groups requests that arrive together, so that they share a statement.
//! - [`metrics`]: what is counted, as Prometheus reads it.
//! - [`migrate`]: the schema.
//! - [`database`]: how a PostgreSQL is reached, with TLS where that is asked for.
//! - [`backup`]: everything out of a database, and into another.
//! - [`embedded`]: the private PostgreSQL, where none is given.
//! - [`error`]: everything that can go wrong, as the client sees it and as the log does.
//! - [`log`]: the log, one line an entry.
//! - [`startup`], [`signal`] and [`probe`]: the process: what it waits for, when to stop, and whether it is well.
//! - [`load`]: the load generator, which knows the service only by its HTTP interface.

pub mod access;
pub mod app;
pub mod backup;
pub mod batcher;
pub mod commands;
pub mod config;
pub mod cursor;
pub mod database;
pub mod deploy;
pub mod embedded;
pub mod error;
pub mod event;
pub mod filter;
pub mod handlers;
pub mod history;
pub mod load;
pub mod log;
pub mod metrics;
pub mod migrate;
pub mod page;
pub mod probe;
pub mod record;
pub mod reply;
pub mod report;
pub mod request;
pub mod route;
pub mod server;
pub mod signal;
pub mod startup;
pub mod store;
