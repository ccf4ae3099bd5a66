//! deploylog records deploys and measures how long each one takes.
//!
//! The modules, in reading order:
//!
//! - [`config`]: settings from flags and environment variables.
//! - [`commands`]: one file per command; `commands/serve.rs` starts the service.
//! - [`server`]: accepts connections, limits them and closes them.
//! - [`app`]: one request in, one response out.
//! - [`route`]: maps a method and a path to a call.
//! - [`auth`]: access control by API tokens, hosts and origins. No I/O.
//! - [`request`] and [`reply`]: reads requests and builds responses.
//! - [`handlers`]: one file per resource.
//! - [`domain`]: the rules: records, deploys, DORA metrics, events. No I/O.
//! - [`store`]: writes, reads and events, in SQL.
//! - [`database`]: how PostgreSQL is reached: endpoint, TLS, pools, pipeline, migrations.
//! - [`embedded`]: the private PostgreSQL that is used if no `DATABASE_URL` is set.
//! - [`backup`]: backup and restore.
//! - [`budget`]: memory that all clients share.
//! - [`prometheus`]: the Prometheus text format and the request counters.
//! - [`page`]: the files of the web page.
//! - [`error`]: every error, as the client and the log see it.
//! - [`log`] and [`signal`]: the process' log and shutdown signals.
//! - [`load`]: the load generator; it uses only the HTTP interface.

pub mod app;
pub mod auth;
pub mod backup;
pub mod budget;
pub mod commands;
pub mod config;
pub mod database;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod handlers;
pub mod load;
pub mod log;
pub mod page;
pub mod prometheus;
pub mod reply;
pub mod request;
pub mod route;
pub mod server;
pub mod signal;
pub mod store;
