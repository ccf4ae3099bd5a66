//! Writes a backup.

use std::pin::pin;

use futures_util::StreamExt as _;
use tokio::io::AsyncWrite;
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::format::{BackupWriter, END_OF_ROWS, FORMAT, Summary, columns, identifiers, newer_schema, tables};
use crate::database::migrate;
use crate::error::Cause;

/// The text of values is the same for all servers, whatever their settings are.
const SETTINGS: &str = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
    set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local bytea_output = 'hex';
    set local extra_float_digits = 1";

/// Writes a consistent snapshot. Other clients can write to the database at the same time.
pub async fn write(client: &mut Client, out: &mut (impl AsyncWrite + Unpin)) -> Result<Summary, Cause> {
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(SETTINGS).await?;
    let has_schema = "select to_regclass('migrations') is not null";
    if !snapshot.query_one(has_schema, &[]).await?.try_get::<_, bool>(0)? {
        return Err("the database has no deploylog schema, so there is nothing to back up".into());
    }
    let row = snapshot.query_one(include_str!("../../sql/backup_snapshot.sql"), &[]).await?;
    let (schema, moment): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let tables = tables(migrate::steps_to(&schema).ok_or_else(|| newer_schema(&schema))?);
    let mut out = BackupWriter::new(out);
    out.write(format!("{FORMAT} {schema} {moment}\n").as_bytes()).await?;
    let (mut rows, mut records) = (0, 0);
    for table in &tables {
        let count = write_table(&snapshot, table, &mut out).await?;
        rows += count;
        if *table == "records" {
            records = count;
        }
    }
    for row in snapshot.query(include_str!("../../sql/backup_sequences.sql"), &[&tables]).await? {
        let (name, last): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
        out.write(format!("sequence {name} {last}\n").as_bytes()).await?;
    }
    out.end(rows).await?;
    Ok(Summary { records, moment })
}

/// Returns the number of rows.
async fn write_table(
    snapshot: &Transaction<'_>,
    table: &str,
    out: &mut BackupWriter<impl AsyncWrite + Unpin>,
) -> Result<u64, Cause> {
    let columns = columns(snapshot, table).await?;
    out.write(format!("table {table} {}\n", columns.join(" ")).as_bytes()).await?;
    let copy = format!("copy {table} ({}) to stdout", identifiers(&columns));
    let mut stream = pin!(snapshot.copy_out(&copy).await?);
    let mut rows = 0;
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        rows += bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        out.write(&bytes).await?;
    }
    out.write(END_OF_ROWS).await?;
    Ok(rows)
}
