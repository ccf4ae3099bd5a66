//! Starts what the tests need and ends it again: one PostgreSQL for all of them, a schema and a service for each.

mod at_once;
mod client;
mod events;
mod locks;
mod postgres;
mod replication;
#[cfg(feature = "tls")]
mod secure;
mod service;
mod session;

pub use at_once::{SENDERS, at_once, patient};
pub use client::{Answer, Connection};
pub use events::{Event, Listener};
pub use locks::{components_with_locks_of_their_own, lock_waits};
pub use postgres::{Database, OwnCluster, PrivateDirectory, postmaster, sql};
#[allow(unused_imports, reason = "only the faults have a standby")]
pub use replication::{ReplicatedCluster, STANDBY};
#[cfg(feature = "tls")]
pub use secure::{Authority, ELLIPTIC, LOCALHOST, RSA, SecureCluster, Wanted};
pub use service::{PROGRAM, Service, Stopped, run, signal};
pub use session::Session;

use std::time::{Duration, Instant};

use serde_json::Value;

/// A record's four required fields.
pub const DEPLOYED: &str = r#"{"component":"web","version":"2.1","owner":"ann","status":"deployed"}"#;

/// The same as JSON, with these fields too, or instead.
#[track_caller]
pub fn deployed(fields: &Value) -> String {
    let mut record: Value = serde_json::from_str(DEPLOYED).unwrap();
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record.to_string()
}

/// Writes so many records past the service, each of more than 2,000 characters and the last one the newest.
pub fn fill(database: &Database, count: usize) {
    database.sql(&format!(
        "insert into records (component, version, owner, status, phase, run, stage)
         select 'web', n::text, 'ann', 'queued', 'noted', repeat('r', 1000), repeat('s', 1000)
         from generate_series(1, {count}) n;
         analyze records"
    ));
}

/// How many migrations there are.
pub fn migrations() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/migrations")).unwrap().count()
}

/// Brings a schema up to the migration with this name, as an older program would have left it.
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

/// A statement with these values, as SQL writes them, in place of its `$1`, `$2` and so on.
pub fn bound(statement: &str, values: &[&str]) -> String {
    let parameters = values.iter().enumerate().rev();
    parameters.fold(statement.to_owned(), |sql, (index, value)| sql.replace(&format!("${}", index + 1), value))
}

/// Text for a query, percent-encoded.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until a statement waits for this session, and answers its backend.
pub fn backend_behind(url: &str, session: &Session) -> u32 {
    let pid = session.rows("select pg_backend_pid()")[0].get(0).unwrap().to_owned();
    let waiting = format!("select pid from pg_stat_activity where {pid} = any (pg_blocking_pids(pid))");
    let mut found = Vec::new();
    eventually("a statement waits for the session", || {
        found = sql(url, &waiting);
        !found.is_empty()
    });
    found[0][0].parse().unwrap()
}

/// Asks until the answer is yes: for what happens soon, but not at once.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "never came about: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
