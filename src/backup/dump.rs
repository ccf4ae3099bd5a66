//! Everything out.

use std::pin::pin;

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::{BackupError, END_OF_ROWS, FORMAT, Summary, hexadecimal, kept_tables};
use crate::database::migrate;

const BUFFER_BYTES: usize = 256 << 10;
/// Whatever the server's settings are, another server reads what this one writes.
const FORMS: &str = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
    set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local bytea_output = 'hex';
    set local extra_float_digits = 1";

/// Writes all that is kept, as of one moment, while others go on writing.
pub async fn write(client: &mut Client, out: &mut (impl AsyncWrite + Unpin)) -> Result<Summary, BackupError> {
    let snapshot =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    snapshot.batch_execute(FORMS).await?;
    let has_schema = "select to_regclass('migrations') is not null";
    if !snapshot.query_one(has_schema, &[]).await?.try_get::<_, bool>(0)? {
        return Err(BackupError::Refused("the database has no records of deploylog's: nothing to back up".to_owned()));
    }
    let row = snapshot.query_one(include_str!("../../sql/backup_snapshot.sql"), &[]).await?;
    let (schema, moment): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let steps = migrate::steps_to(&schema).ok_or_else(|| {
        BackupError::Refused(format!(
            "the database has the migration {schema}, which this deploylog {} does not know: run a newer one",
            env!("CARGO_PKG_VERSION")
        ))
    })?;

    let mut out = Summed { out: BufWriter::with_capacity(BUFFER_BYTES, out), sum: Sha256::new() };
    out.write(format!("{FORMAT} {schema} {moment}\n").as_bytes()).await?;
    let tables = kept_tables(steps);
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
    let sum = hexadecimal(&out.sum.finalize());
    out.out.write_all(format!("end {rows} {sum}\n").as_bytes()).await?;
    out.out.flush().await?;
    Ok(Summary { records, moment })
}

async fn write_table<W: AsyncWrite + Unpin>(
    snapshot: &Transaction<'_>,
    table: &str,
    out: &mut Summed<W>,
) -> Result<u64, BackupError> {
    let columns = columns(snapshot, table).await?;
    out.write(format!("table {table} {}\n", columns.join(" ")).as_bytes()).await?;
    let copy = format!("copy {table} ({}) to stdout", quoted(&columns));
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

/// What is written, and its digest.
struct Summed<W> {
    out: BufWriter<W>,
    sum: Sha256,
}

impl<W: AsyncWrite + Unpin> Summed<W> {
    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes).await
    }
}

/// The columns of a table that are kept.
pub async fn columns(transaction: &Transaction<'_>, table: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = transaction.query(include_str!("../../sql/backup_columns.sql"), &[&table]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Names as SQL lists them, whatever words they are.
pub fn quoted(names: &[impl AsRef<str>]) -> String {
    let names = names.iter().map(|name| format!("\"{}\"", name.as_ref().replace('"', "\"\"")));
    names.collect::<Vec<_>>().join(", ")
}
