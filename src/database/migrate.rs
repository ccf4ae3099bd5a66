//! Brings the schema up to date: forward only, each step once, however many replicas start together.

use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use crate::{database, error::Chained};

/// The steps, in order. One that has been released is never edited.
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
];

/// Why the schema cannot be used.
#[derive(Debug)]
pub enum MigrateError {
    /// The database said no, or nothing.
    Database(tokio_postgres::Error),
    /// One sentence for the operator.
    Refused(String),
}

impl MigrateError {
    /// Whether it may go by itself: the database is not there, or not yet, or busy.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // Who may not come in, what does not exist and what is not allowed stays so; and who may not be believed.
        !database::is_refusal(error)
            && error.code().is_none_or(|code| !["28", "3D", "3F", "42", "0A"].contains(&&code.code()[..2]))
    }
}

impl std::fmt::Display for MigrateError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Database(error) => Chained(error).fmt(f),
            Self::Refused(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for MigrateError {}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// Runs what is missing, in one transaction and under one lock. `progress` is told the name of each step before it runs.
/// Returns how many steps that were.
pub async fn run(client: &mut Client, progress: &(dyn Fn(&str) + Sync)) -> Result<usize, MigrateError> {
    // Whatever the role's default is: a step must see what was committed while it waited for a lock.
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    let steps = run_up_to(MIGRATIONS.len(), &transaction, progress).await?;
    transaction.commit().await?;
    Ok(steps)
}

/// Runs what is missing of the first so many steps, and holds the lock to the transaction's end. Answers how many that
/// were.
pub async fn run_up_to(
    wanted: usize,
    transaction: &Transaction<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<usize, MigrateError> {
    let schema: Option<String> = transaction.query_one("select current_schema()", &[]).await?.try_get(0)?;
    let Some(schema) = schema else {
        return Err(MigrateError::Refused("the first schema of the search path does not exist".to_owned()));
    };
    transaction.execute("select pg_advisory_xact_lock(hashtext('deploylog migrations ' || $1))", &[&schema]).await?;
    // A role that may not create anything may still find that all is done.
    let has_table = "select to_regclass(quote_ident($1) || '.migrations') is not null";
    if !transaction.query_one(has_table, &[&schema]).await?.try_get::<_, bool>(0)? {
        transaction.batch_execute(include_str!("../../sql/migrations_table.sql")).await?;
    }
    let done = transaction.query(include_str!("../../sql/migrations_done.sql"), &[]).await?;
    for (index, row) in done.iter().enumerate() {
        let (name, checksum): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let Some((known, sql)) = MIGRATIONS.get(index) else {
            return Err(MigrateError::Refused(format!(
                "the database has the migration {name}, which this deploylog {} does not know: run a newer one",
                env!("CARGO_PKG_VERSION"),
            )));
        };
        if name != *known || checksum != digest(sql) {
            return Err(MigrateError::Refused(format!(
                "the database has another migration {name} than this deploylog's {known}: it was edited after its \
                 release, or belongs to another program"
            )));
        }
    }
    let missing = &MIGRATIONS[done.len()..wanted.max(done.len())];
    for (name, sql) in missing {
        progress(name);
        transaction.batch_execute(sql).await?;
        transaction.execute(include_str!("../../sql/migrations_add.sql"), &[name, &digest(sql)]).await?;
    }
    Ok(missing.len())
}

/// How many steps there are up to the one with this name, it included.
#[must_use]
pub fn steps_to(name: &str) -> Option<usize> {
    MIGRATIONS.iter().position(|(known, _)| *known == name).map(|index| index + 1)
}

/// The tables that are there after the first so many steps, in the order in which they are made: nobody else's that may
/// be beside them.
#[must_use]
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

/// How many steps there are.
pub const STEPS: usize = MIGRATIONS.len();

/// Whether the name and the checksum are those of this program's last step.
#[must_use]
pub fn is_last((name, checksum): (&str, &str)) -> bool {
    MIGRATIONS.last().is_some_and(|(last, sql)| *last == name && digest(sql) == checksum)
}

fn digest(sql: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(sql).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
