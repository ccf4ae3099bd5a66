//! Everything in.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::io::AsyncRead;
use tokio_postgres::{Client, Transaction};

use super::{
    BackupError, END_OF_ROWS, FORMAT, Summary,
    dump::{columns, quoted},
    kept_tables,
    lines::{Lines, damaged},
};
use crate::database::migrate;

/// Rows are sent on in pieces not much longer.
const PIECE_BYTES: usize = 64 << 10;
/// Indexes are made of very many rows.
const SETTINGS: &str = "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
    set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local maintenance_work_mem = '128MB'";

/// A backup of which the first line has been read.
pub struct Backup<R> {
    lines: Lines<R>,
    schema: String,
    /// How many steps lead to the schema.
    steps: usize,
    moment: String,
}

impl<R: AsyncRead + Unpin> Backup<R> {
    /// Reads what it is a backup of.
    pub async fn open(reader: R) -> Result<Self, BackupError> {
        let mut lines = Lines::new(reader);
        let no_backup = || BackupError::Refused("it is no backup that this deploylog reads".to_owned());
        let first = lines.next().await.ok().flatten().ok_or_else(no_backup)?;
        let rest = first.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' '));
        let (schema, moment) = rest.and_then(|rest| rest.split_once(' ')).ok_or_else(no_backup)?;
        let steps = migrate::steps_to(schema).ok_or_else(|| {
            BackupError::Refused(format!(
                "it has the schema {schema}, which this deploylog {} does not know: run a newer one",
                env!("CARGO_PKG_VERSION")
            ))
        })?;
        let (schema, moment) = (schema.to_owned(), moment.to_owned());
        Ok(Self { lines, schema, steps, moment })
    }

    /// Puts all of it into an empty database that no service uses; or nothing.
    pub async fn restore(mut self, client: &mut Client) -> Result<Summary, BackupError> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(SETTINGS).await?;
        self.claim(&transaction).await?;
        let tables = kept_tables(self.steps);
        let mut indexes = Vec::new();
        for table in &tables {
            // Made anew of all rows at once, which is several times as fast.
            for row in transaction.query(include_str!("../../sql/restore_indexes.sql"), &[table]).await? {
                transaction.batch_execute(&format!("drop index {}", row.try_get::<_, &str>(0)?)).await?;
                indexes.push(row.try_get::<_, String>(1)?);
            }
        }
        let records = self.read(&transaction, &tables).await?;
        for index in indexes {
            transaction.batch_execute(&index).await?;
        }
        migrate::run_up_to(migrate::STEPS, &transaction, &|_| ()).await?;
        transaction.execute(include_str!("../../sql/restore_events.sql"), &[]).await?;
        // Later steps may have renamed or dropped tables of the file.
        transaction.batch_execute(&format!("analyze {}", kept_tables(migrate::STEPS).join(", "))).await?;
        transaction.commit().await?;
        Ok(Summary { records, moment: self.moment })
    }

    /// Makes the schema the file's, and makes sure that it is empty and stays so for everyone else.
    async fn claim(&self, transaction: &Transaction<'_>) -> Result<(), BackupError> {
        migrate::run_up_to(self.steps, transaction, &|_| ()).await?;
        let last = transaction.query_one(include_str!("../../sql/schema_last.sql"), &[]).await?;
        let last: &str = last.try_get(0)?;
        if last != self.schema {
            return Err(BackupError::Refused(format!(
                "it has the schema {}, and the database has {last} already: restore it into a new database",
                self.schema
            )));
        }
        // A service that starts waits here. One that runs has a row that is not older than a minute.
        let services = if migrate::tables(self.steps).contains(&"heartbeats") { "heartbeats" } else { "replicas" };
        transaction.batch_execute(&format!("lock table {services} in access exclusive mode")).await?;
        let served = format!("select from {services} where seen_at > now() - interval '1 minute'");
        if transaction.query_opt(&format!("{served} limit 1"), &[]).await?.is_some() {
            return Err(BackupError::Refused(
                "a deploylog serves the database, or ended within the last minute and may still write: stop it first"
                    .to_owned(),
            ));
        }
        for table in kept_tables(self.steps) {
            transaction.batch_execute(&format!("lock table {table} in access exclusive mode")).await?;
            let found = transaction.query_opt(&format!("select from {table} limit 1"), &[]).await?;
            if found.is_some() {
                return Err(BackupError::Refused(format!(
                    "the database is not empty: there are {table}, and nothing is mixed with what is there"
                )));
            }
        }
        Ok(())
    }

    /// Reads everything up to the end, which must fit. Answers how many records there are.
    async fn read(&mut self, transaction: &Transaction<'_>, tables: &[&str]) -> Result<u64, BackupError> {
        let (mut rows, mut records) = (0, 0);
        loop {
            let line = self.lines.next().await?.ok_or_else(|| damaged("its end is missing"))?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["table", name, names @ ..] if tables.contains(name) => {
                    let known = columns(transaction, name).await?;
                    if !names.iter().all(|name| known.iter().any(|known| known == name)) {
                        return Err(damaged(format!("{name} has other columns")));
                    }
                    let count = self.read_table(transaction, name, names).await?;
                    rows += count;
                    if *name == "records" {
                        records = count;
                    }
                }
                ["sequence", name, last] => {
                    let last: i64 = last.parse().map_err(|_| damaged(format!("no number: {last}")))?;
                    let known = transaction.query(include_str!("../../sql/backup_sequences.sql"), &[&tables]).await?;
                    if !known.iter().any(|row| row.try_get(0).is_ok_and(|known: &str| known == *name)) {
                        return Err(damaged(format!("there is no sequence {name}")));
                    }
                    let sql = include_str!("../../sql/restore_sequence.sql");
                    transaction.execute(sql, &[name, &last]).await?;
                }
                ["end", count, sum] => {
                    if *count != rows.to_string() || *sum != self.lines.sum_before() {
                        return Err(damaged("its last line does not fit the rest"));
                    }
                    return match self.lines.next().await? {
                        None => Ok(records),
                        Some(_) => Err(damaged("something follows its end")),
                    };
                }
                _ => return Err(damaged("a line is none of a backup's")),
            }
        }
    }

    async fn read_table(
        &mut self,
        transaction: &Transaction<'_>,
        table: &str,
        columns: &[&str],
    ) -> Result<u64, BackupError> {
        let copy = format!("copy {table} ({}) from stdin", quoted(columns));
        let mut sink = pin!(transaction.copy_in::<_, Bytes>(&copy).await?);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            let length = self.lines.append(&mut piece).await?;
            let line = piece.len() - length;
            let is_end = piece[line..] == *END_OF_ROWS;
            if length == 0 {
                return Err(damaged("its end is missing"));
            }
            if is_end {
                piece.truncate(line);
            }
            if is_end || piece.len() >= PIECE_BYTES {
                sink.send(std::mem::take(&mut piece).into()).await.map_err(misfit)?;
            }
            if is_end {
                return sink.finish().await.map_err(misfit);
            }
        }
    }
}

/// What a table does not take was not written from one.
fn misfit(error: tokio_postgres::Error) -> BackupError {
    let is_data = error.code().is_some_and(|code| ["22", "23"].contains(&&code.code()[..2]));
    if is_data { damaged(BackupError::from(error)) } else { error.into() }
}
