//! Restores a backup.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::io::AsyncRead;
use tokio_postgres::{Client, Transaction};

use super::format::{BackupReader, END_OF_ROWS, FORMAT, Summary, columns, damaged, identifiers, newer_schema, tables};
use crate::database::migrate;
use crate::error::{Cause, Chained};

/// Rows are sent to PostgreSQL in chunks of about this size.
const CHUNK_BYTES: usize = 64 << 10;
/// The indexes are created from all rows at once, which needs memory.
const SETTINGS: &str = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
    set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local maintenance_work_mem = '128MB'";

/// A backup whose first line is read.
pub struct Backup<R> {
    reader: BackupReader<R>,
    /// The last migration of the backup's schema.
    schema: String,
    /// The number of migrations up to `schema`.
    migrations: usize,
    moment: String,
}

impl<R: AsyncRead + Unpin> Backup<R> {
    pub async fn open(reader: R) -> Result<Self, Cause> {
        let mut reader = BackupReader::new(reader);
        let first = reader.next_text().await.ok().flatten().unwrap_or_default();
        let header = first.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' ')?.split_once(' '));
        let (schema, moment) = header.ok_or("it is not a deploylog backup, or it is of another format")?;
        let (schema, moment) = (schema.to_owned(), moment.to_owned());
        let migrations = migrate::steps_to(&schema).ok_or_else(|| newer_schema(&schema))?;
        Ok(Self { reader, schema, migrations, moment })
    }

    /// Restores into an empty database that no service uses. Changes nothing on failure.
    pub async fn restore(mut self, client: &mut Client) -> Result<Summary, Cause> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(SETTINGS).await?;
        self.prepare(&transaction).await?;
        let mut indexes = Vec::new();
        for table in tables(self.migrations) {
            // It is several times faster to create the indexes after the rows.
            for row in transaction.query(include_str!("../../sql/restore_indexes.sql"), &[&table]).await? {
                transaction.batch_execute(&format!("drop index {}", row.try_get::<_, &str>(0)?)).await?;
                indexes.push(row.try_get::<_, String>(1)?);
            }
        }
        let records = self.load(&transaction).await?;
        for index in indexes {
            transaction.batch_execute(&index).await?;
        }
        migrate::run_up_to(migrate::STEPS, &transaction, &|_| ()).await?;
        transaction.execute(include_str!("../../sql/restore_events.sql"), &[]).await?;
        transaction.batch_execute(&format!("analyze {}", tables(migrate::STEPS).join(", "))).await?;
        transaction.commit().await?;
        Ok(Summary { records, moment: self.moment })
    }

    /// Migrates to the backup's schema and locks the tables. Fails if the database is in use or not empty.
    async fn prepare(&self, transaction: &Transaction<'_>) -> Result<(), Cause> {
        migrate::run_up_to(self.migrations, transaction, &|_| ()).await?;
        let last = transaction.query_one(include_str!("../../sql/schema_last.sql"), &[]).await?;
        let last: &str = last.try_get(0)?;
        if last != self.schema {
            let backup = &self.schema;
            return Err(format!(
                "the backup has the schema {backup}, but the database already has {last}: restore into a new database"
            )
            .into());
        }
        // A service that starts now waits for this lock. A running service updates its row within a minute.
        let services = if migrate::tables(self.migrations).contains(&"heartbeats") { "heartbeats" } else { "replicas" };
        transaction.batch_execute(&format!("lock table {services} in access exclusive mode")).await?;
        let running = format!("select from {services} where seen_at > now() - interval '1 minute' limit 1");
        if transaction.query_opt(&running, &[]).await?.is_some() {
            return Err("a deploylog service uses the database, or was killed within the last minute and can still \
                        write: stop it, or wait a minute"
                .into());
        }
        for table in tables(self.migrations) {
            transaction.batch_execute(&format!("lock table {table} in access exclusive mode")).await?;
            if transaction.query_opt(&format!("select from {table} limit 1"), &[]).await?.is_some() {
                return Err(format!(
                    "the database is not empty: the table {table} has rows, and a restore needs an empty database"
                )
                .into());
            }
        }
        Ok(())
    }

    /// Loads all lines and verifies the last one. Returns the number of records.
    async fn load(&mut self, transaction: &Transaction<'_>) -> Result<u64, Cause> {
        let tables = tables(self.migrations);
        let (mut rows, mut records) = (0, 0);
        loop {
            let line = self.reader.next_text().await?.ok_or_else(|| damaged("the end is missing"))?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["table", table, names @ ..] if tables.contains(table) => {
                    let known = columns(transaction, table).await?;
                    if !names.iter().all(|name| known.iter().any(|known| known == name)) {
                        return Err(damaged(format!("the table {table} has unknown columns")));
                    }
                    let count = self.load_table(transaction, table, names).await?;
                    rows += count;
                    if *table == "records" {
                        records = count;
                    }
                }
                ["sequence", sequence, last] => {
                    let last: i64 = last.parse().map_err(|_| damaged(format!("{last} is not a number")))?;
                    let known = transaction.query(include_str!("../../sql/backup_sequences.sql"), &[&tables]).await?;
                    if !known.iter().any(|row| row.try_get(0).is_ok_and(|known: &str| known == *sequence)) {
                        return Err(damaged(format!("the sequence {sequence} is unknown")));
                    }
                    transaction.execute(include_str!("../../sql/restore_sequence.sql"), &[sequence, &last]).await?;
                }
                ["end", count, sum] => {
                    if *count != rows.to_string() || *sum != self.reader.sum() {
                        return Err(damaged("the last line does not match the others"));
                    }
                    let is_end = self.reader.next().await?.is_empty();
                    return if is_end { Ok(records) } else { Err(damaged("there are lines after the end")) };
                }
                _ => return Err(damaged("a line is invalid")),
            }
        }
    }

    /// Returns the number of rows.
    async fn load_table(&mut self, transaction: &Transaction<'_>, table: &str, columns: &[&str]) -> Result<u64, Cause> {
        let copy = format!("copy {table} ({}) from stdin", identifiers(columns));
        let mut sink = pin!(transaction.copy_in::<_, Bytes>(&copy).await?);
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        loop {
            let line = self.reader.next().await?;
            if line.is_empty() {
                return Err(damaged("the end is missing"));
            }
            let is_end = line == END_OF_ROWS;
            if !is_end {
                chunk.extend_from_slice(line);
            }
            if is_end || chunk.len() >= CHUNK_BYTES {
                sink.send(std::mem::take(&mut chunk).into()).await.map_err(copy_error)?;
            }
            if is_end {
                return sink.finish().await.map_err(copy_error);
            }
        }
    }
}

/// Values that a table does not accept were not written by a backup.
fn copy_error(error: tokio_postgres::Error) -> Cause {
    let is_data = error.code().is_some_and(|code| ["22", "23"].contains(&&code.code()[..2]));
    if is_data { damaged(Chained(&error)) } else { error.into() }
}
