//! Starts and stops what the tests need: one PostgreSQL for the whole run, and a schema and a service for each test.

mod client;
mod concurrent;
mod events;
mod locks;
mod postgres;
mod replication;
mod service;
mod session;
#[cfg(feature = "tls")]
mod tls;

pub use client::{Connection, Response};
pub use concurrent::{SENDERS, send_concurrently, service_with_long_timeout};
pub use events::{Event, Subscriber};
pub use locks::{components_with_distinct_locks, count_lock_waits};
pub use postgres::{Database, PrivateCluster, TempDirectory, postmaster_pid, sql};
#[allow(unused_imports, reason = "only the fault tests use a standby")]
pub use replication::{ReplicatedCluster, STANDBY_NAME};
pub use service::{PROGRAM, PausedProcess, Service, run, signal};
pub use session::Session;
#[cfg(feature = "tls")]
pub use tls::{CertificateAuthority, CertificateRequest, EC_KEY, LOCALHOST, RSA_KEY, TlsCluster};

use std::time::{Duration, Instant};

use serde_json::Value;

/// A record with the four required fields only.
pub const DEPLOYED: &str = r#"{"component":"web","version":"2.1","owner":"ann","status":"deployed"}"#;

/// [`DEPLOYED`] with these fields added or replaced.
#[track_caller]
pub fn deployed_with(fields: &Value) -> String {
    let mut record: Value = serde_json::from_str(DEPLOYED).unwrap();
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record.to_string()
}

/// Inserts `count` records of more than 2,000 characters each, by SQL; the last one is the newest.
pub fn insert_large_records(database: &Database, count: usize) {
    database.sql(&format!(
        "insert into records (component, version, owner, status, phase, run, stage)
         select 'web', n::text, 'ann', 'queued', 'noted', repeat('r', 1000), repeat('s', 1000)
         from generate_series(1, {count}) n;
         analyze records"
    ));
}

pub fn migration_count() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/migrations")).unwrap().count()
}

/// Migrates a schema up to the named migration, as an older release would have left it.
pub fn migrate_to(database: &Database, name: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config: tokio_postgres::Config = database.url().parse().unwrap();
        let (mut client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let transaction = client.transaction().await.unwrap();
        let steps = deploylog::database::migrate::steps_to(name).unwrap();
        assert_eq!(deploylog::database::migrate::run_up_to(steps, &transaction, &|_| ()).await.unwrap(), steps);
        transaction.commit().await.unwrap();
    });
}

/// Replaces `$1`, `$2` and so on in a statement by these SQL literals.
pub fn bind_parameters(statement: &str, values: &[&str]) -> String {
    let parameters = values.iter().enumerate().rev();
    parameters.fold(statement.to_owned(), |sql, (index, value)| sql.replace(&format!("${}", index + 1), value))
}

pub fn percent_encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until this session blocks another one, and returns the process id of the blocked backend.
pub fn blocked_backend(url: &str, session: &Session) -> u32 {
    let pid = session.query("select pg_backend_pid()")[0].get(0).unwrap().to_owned();
    let blocked = format!("select pid from pg_stat_activity where {pid} = any (pg_blocking_pids(pid))");
    let mut found = Vec::new();
    eventually("the session blocks a statement", || {
        found = sql(url, &blocked);
        !found.is_empty()
    });
    found[0][0].parse().unwrap()
}

/// Polls until the condition holds, for at most 60 seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
