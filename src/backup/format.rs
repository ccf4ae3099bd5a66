//! The lines of a backup, and the tables that it contains.

use std::fmt;

use sha2::{Digest as _, Sha256};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter,
};
use tokio_postgres::Transaction;

use crate::database::migrate;
use crate::error::Cause;

/// The start of the first line.
pub const FORMAT: &str = "deploylog backup 1";
/// The last line of a table.
pub const END_OF_ROWS: &[u8] = b"\\.\n";

const BUFFER_BYTES: usize = 256 << 10;
/// Longer than any row. The lines of a file that is not a backup can be longer than the memory.
const MAX_LINE_BYTES: u64 = 64 << 20;
/// These tables describe one database and its processes. Event subscribers of another database start again.
const OMITTED: [&str; 4] = ["migrations", "replicas", "heartbeats", "events"];

#[derive(Debug)]
pub struct Summary {
    pub records: u64,
    /// The time of the snapshot, in RFC 3339.
    pub moment: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let digits = self.records.to_string();
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        let plural = if self.records == 1 { "" } else { "s" };
        write!(f, "{} record{plural} as of {}", groups.join(","), self.moment)
    }
}

/// The tables of a schema after its first `migrations`, in the order of their creation.
pub fn tables(migrations: usize) -> Vec<&'static str> {
    migrate::tables(migrations).into_iter().filter(|table| !OMITTED.contains(table)).collect()
}

/// The columns of a table that are not generated.
pub async fn columns(transaction: &Transaction<'_>, table: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = transaction.query(include_str!("../../sql/backup_columns.sql"), &[&table]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// A list of quoted SQL identifiers.
pub fn identifiers(names: &[impl AsRef<str>]) -> String {
    let names = names.iter().map(|name| format!("\"{}\"", name.as_ref().replace('"', "\"\"")));
    names.collect::<Vec<_>>().join(", ")
}

/// Writes a backup and computes the checksum of what is written.
pub struct BackupWriter<W> {
    out: BufWriter<W>,
    sum: Sha256,
}

impl<W: AsyncWrite + Unpin> BackupWriter<W> {
    pub fn new(out: W) -> Self {
        Self { out: BufWriter::with_capacity(BUFFER_BYTES, out), sum: Sha256::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes).await
    }

    /// Writes the last line.
    pub async fn end(mut self, rows: u64) -> std::io::Result<()> {
        let line = format!("end {rows} {}\n", hexadecimal(self.sum.clone()));
        self.write(line.as_bytes()).await?;
        self.out.flush().await
    }
}

/// Reads a backup line by line and computes the checksum of all lines before the current one.
pub struct BackupReader<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    sum: Sha256,
}

impl<R: AsyncRead + Unpin> BackupReader<R> {
    pub fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), line: Vec::new(), sum: Sha256::new() }
    }

    /// The next line with its line feed. Empty at the end of the backup.
    pub async fn next(&mut self) -> Result<&[u8], Cause> {
        self.sum.update(&self.line);
        self.line.clear();
        (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line).await?;
        if self.line.last().is_some_and(|byte| *byte != b'\n') {
            return Err(damaged("a line is incomplete or too long"));
        }
        Ok(&self.line)
    }

    /// The next line as text, without its line feed.
    pub async fn next_text(&mut self) -> Result<Option<String>, Cause> {
        let line = str::from_utf8(self.next().await?).map_err(|_| damaged("a line is not UTF-8"))?;
        Ok(line.strip_suffix('\n').map(str::to_owned))
    }

    /// The checksum of all lines before the current one.
    pub fn sum(&self) -> String {
        hexadecimal(self.sum.clone())
    }
}

fn hexadecimal(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The migration is not one of this program's.
pub fn newer_schema(migration: &str) -> Cause {
    let version = env!("CARGO_PKG_VERSION");
    format!("the migration {migration} is unknown to this deploylog ({version}): run a newer version").into()
}

/// The backup differs from what was written.
pub fn damaged(why: impl fmt::Display) -> Cause {
    format!("the backup is damaged ({why})").into()
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn records_are_counted_with_thousands_separators() {
        for (records, text) in
            [(0, "0 records"), (1, "1 record"), (999, "999 records"), (1_234_567, "1,234,567 records")]
        {
            let summary = Summary { records, moment: "2026-11-24T08:00:00Z".to_owned() };
            assert_eq!(summary.to_string(), format!("{text} as of 2026-11-24T08:00:00Z"));
        }
    }
}
