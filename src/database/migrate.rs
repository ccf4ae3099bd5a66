//! Migrates the schema: forward only, and each step once, even if several replicas start together.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::sleep;
use tokio_postgres::{Client, IsolationLevel, Transaction, error::SqlState};

use super::endpoint::is_tls_failure;
use crate::error::Chained;

/// The steps in order. A released step is never edited.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_records", include_str!("../../sql/migrations/0001_records.sql")),
    ("0002_plain_columns", include_str!("../../sql/migrations/0002_plain_columns.sql")),
    ("0003_filter_indexes", include_str!("../../sql/migrations/0003_filter_indexes.sql")),
    ("0004_deploys", include_str!("../../sql/migrations/0004_deploys.sql")),
    ("0005_reports", include_str!("../../sql/migrations/0005_reports.sql")),
    ("0006_events", include_str!("../../sql/migrations/0006_events.sql")),
    ("0007_tokens", include_str!("../../sql/migrations/0007_tokens.sql")),
    ("0008_history", include_str!("../../sql/migrations/0008_history.sql")),
    ("0009_retention", include_str!("../../sql/migrations/0009_retention.sql")),
    ("0010_component_locks", include_str!("../../sql/migrations/0010_component_locks.sql")),
    ("0011_retention_steps", include_str!("../../sql/migrations/0011_retention_steps.sql")),
    ("0012_bounded_reads", include_str!("../../sql/migrations/0012_bounded_reads.sql")),
    ("0013_waiting", include_str!("../../sql/migrations/0013_waiting.sql")),
];

/// How long a step waits for the lock of a table. All reads and writes of the table queue after it meanwhile.
const LOCK_TIMEOUT: &str = "1s";
/// The pause before a step that did not get its locks is tried again, for the reads and writes that waited.
const LOCK_PAUSE: Duration = Duration::from_secs(2);
/// A long step is no reason to stop: clears the timeouts of the role and the database. The server may not know them all.
const WITHOUT_TIMEOUTS: &str = "select set_config(name, '0', true) from pg_settings
    where name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout')";

#[derive(Debug)]
pub struct MigrateError {
    /// A sentence for the operator.
    message: String,
    /// Whether a retry can succeed: the database is unreachable, starting or busy.
    pub is_transient: bool,
    /// Whether another session held a lock that the step needs.
    is_locked: bool,
}

impl std::fmt::Display for MigrateError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MigrateError {}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Wrong credentials, missing objects, missing permissions and untrusted servers need an operator.
        let is_transient = !is_tls_failure(&error)
            && error.code().is_none_or(|code| !["28", "3D", "3F", "42", "0A"].contains(&&code.code()[..2]));
        let is_locked =
            [&SqlState::LOCK_NOT_AVAILABLE, &SqlState::T_R_DEADLOCK_DETECTED].map(Some).contains(&error.code());
        Self { message: Chained(&error).to_string(), is_transient, is_locked }
    }
}

impl From<String> for MigrateError {
    /// The schema does not fit this program.
    fn from(message: String) -> Self {
        Self { message, is_transient: false, is_locked: false }
    }
}

/// Runs the missing steps, each in a transaction of its own. Calls `progress` with the name of each step before it runs.
/// A step that does not get a table's lock in time is tried again until it does. Returns how many steps ran.
pub async fn run(client: &mut Client, progress: &(dyn Fn(&str) + Sync)) -> Result<usize, MigrateError> {
    let mut count = 0;
    loop {
        match run_next(client, progress).await {
            Ok(true) => count += 1,
            Ok(false) => return Ok(count),
            Err(error) if error.is_locked => {
                tracing::warn!("the migration waits for other sessions: {error}; retrying in {LOCK_PAUSE:?}");
                sleep(LOCK_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Runs the first missing step. Returns whether there was one.
async fn run_next(client: &mut Client, progress: &(dyn Fn(&str) + Sync)) -> Result<bool, MigrateError> {
    // Not the role's default: a step must see what others committed while it waited for a lock.
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    transaction.batch_execute(WITHOUT_TIMEOUTS).await?;
    let done = lock(&transaction).await?;
    let Some(step) = MIGRATIONS.get(done) else { return Ok(false) };
    transaction.batch_execute(&format!("set local lock_timeout = '{LOCK_TIMEOUT}'")).await?;
    run_step(step, &transaction, progress).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Runs the missing ones of the first `wanted` steps and holds the lock until the transaction ends. Returns how many ran.
pub async fn run_up_to(
    wanted: usize,
    transaction: &Transaction<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<usize, MigrateError> {
    let done = lock(transaction).await?;
    let missing = &MIGRATIONS[done..wanted.max(done)];
    for step in missing {
        run_step(step, transaction, progress).await?;
    }
    Ok(missing.len())
}

async fn run_step(
    (name, sql): &(&str, &str),
    transaction: &Transaction<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(), MigrateError> {
    progress(name);
    transaction.batch_execute(sql).await?;
    transaction.execute(include_str!("../../sql/migrations_add.sql"), &[name, &digest(sql)]).await?;
    Ok(())
}

/// Waits until no other process migrates the schema, until the transaction ends. Returns how many steps are done.
async fn lock(transaction: &Transaction<'_>) -> Result<usize, MigrateError> {
    let schema: Option<String> = transaction.query_one("select current_schema()", &[]).await?.try_get(0)?;
    let schema = schema.ok_or_else(|| "the first schema of the search path does not exist: create it".to_owned())?;
    transaction.execute("select pg_advisory_xact_lock(hashtext('deploylog migrations ' || $1))", &[&schema]).await?;
    // A role without the right to create tables can still find that nothing is missing.
    let has_table = "select to_regclass(quote_ident($1) || '.migrations') is not null";
    if !transaction.query_one(has_table, &[&schema]).await?.try_get::<_, bool>(0)? {
        transaction.batch_execute(include_str!("../../sql/migrations_table.sql")).await?;
    }
    let done = transaction.query(include_str!("../../sql/migrations_done.sql"), &[]).await?;
    for (index, row) in done.iter().enumerate() {
        let (name, checksum): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let (known, sql) = MIGRATIONS.get(index).ok_or_else(|| {
            let version = env!("CARGO_PKG_VERSION");
            format!("the database has migration {name}, which deploylog {version} does not know: run a newer deploylog")
        })?;
        if name != *known || checksum != digest(sql) {
            return Err(format!(
                "the database's migration {name} differs from deploylog's {known}: it was edited after its release, or \
                 belongs to another program"
            )
            .into());
        }
    }
    Ok(done.len())
}

/// How many steps lead to the schema of this name, the step of the name included.
pub fn steps_to(name: &str) -> Option<usize> {
    MIGRATIONS.iter().position(|(known, _)| *known == name).map(|index| index + 1)
}

/// The tables that the first `steps` steps leave, in the order of their creation.
pub fn tables(steps: usize) -> Vec<&'static str> {
    let mut tables = Vec::new();
    for line in MIGRATIONS[..steps].iter().flat_map(|(_, sql)| sql.lines()) {
        match line.trim_end_matches(';').split(' ').collect::<Vec<_>>().as_slice() {
            ["create", "table", name, ..] => tables.push(*name),
            ["drop", "table", name] => tables.retain(|table| table != name),
            ["alter", "table", old, "rename", "to", new] => {
                tables.iter_mut().filter(|table| *table == old).for_each(|table| *table = *new);
            }
            _ => {}
        }
    }
    tables
}

pub const STEPS: usize = MIGRATIONS.len();

/// Whether a step is the last one of this program.
pub fn is_last((name, checksum): (&str, &str)) -> bool {
    MIGRATIONS.last().is_some_and(|(last, sql)| *last == name && digest(sql) == checksum)
}

fn digest(sql: &str) -> String {
    Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect()
}
