//! Records as rows: their columns, the queries that select them, and decoding.

use std::collections::HashMap;

use tokio_postgres::{
    Row,
    types::{FromSql, FromSqlOwned},
};

use crate::database::{OwnedParameter, Pool, QueryError};
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::record::{NewRecord, Phase, Record, millis};
use crate::error::Cause;

/// Fields that are computed from others when a record is written as JSON or CSV.
const COMPUTED: [&str; 2] = ["duration_seconds", "duration_missing"];
/// The number of columns that [`record_at`] decodes: those of the sender and five of the service.
pub const WIDTH: usize = NewRecord::COLUMNS.len() + 5;

/// The text of a query in `sql/`, with the columns of records filled in.
macro_rules! sql {
    ($name:literal) => {{
        static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            $crate::store::rows::with_columns(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $name, ".sql")))
        });
        TEXT.as_str()
    }};
}
pub(super) use sql;

/// Replaces each `{record of r}` by the columns of the record `r`, in the order in which [`record_at`] decodes them, and
/// each `{bytes of r}` by the size of its texts.
pub fn with_columns(text: &str) -> String {
    let columns = |record: &str| {
        let stored = Record::columns().filter(|field| !COMPUTED.contains(field));
        stored.map(|field| format!("{record}.{field}")).collect::<Vec<_>>().join(", ")
    };
    let bytes = |record: &str| {
        let texts = NewRecord::TEXTS.iter().map(|field| format!("coalesce(octet_length({record}.{field}), 0)"));
        texts.collect::<Vec<_>>().join(" + ")
    };
    let text = replace(text, "{record of ", columns);
    replace(&text, "{bytes of ", bytes)
}

fn replace(text: &str, placeholder: &str, columns: impl Fn(&str) -> String) -> String {
    let mut parts = text.split(placeholder);
    let mut sql = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (record, rest) = part.split_once('}').unwrap_or_default();
        sql += &columns(record);
        sql += rest;
    }
    sql
}

/// Decodes columns one after another: decoding them by name is slower, and lists decode thousands of records.
struct Decoder<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Decoder<'r> {
    fn next<T: FromSql<'r>>(&mut self) -> Result<T, tokio_postgres::Error> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }
}

/// The record in a row's first columns.
pub fn record(row: &Row) -> Result<Record, Cause> {
    record_at(row, 0)
}

/// The record in a row's columns from this one on.
pub fn record_at(row: &Row, first: usize) -> Result<Record, Cause> {
    let mut columns = Decoder { row, next: first };
    Ok(Record {
        id: columns.next()?,
        fields: NewRecord {
            component: columns.next()?,
            version: columns.next()?,
            owner: columns.next()?,
            status: columns.next()?,
            environment: columns.next()?,
            run: columns.next()?,
            stage: columns.next()?,
            url: columns.next()?,
            commit: columns.next()?,
            committed_at: columns.next()?,
            unplanned: columns.next()?,
            waited_ms: columns.next::<Option<_>>()?.map(millis),
            started_at: columns.next()?,
            finished_at: columns.next()?,
            phase: {
                let name = columns.next()?;
                Phase::named(name).ok_or_else(|| format!("unknown phase {name}"))?
            },
        },
        start_id: columns.next()?,
        recorded_at: columns.next()?,
        updated_at: columns.next()?,
    })
}

/// The parameters of a query.
macro_rules! owned {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::database::OwnedParameter),*] };
}
pub(super) use owned;

/// The parameters of a filtered list. A status word has one phase, and there is an index of rare phases.
pub fn filter(filter: &Filter) -> Vec<OwnedParameter> {
    let filter = Filter { phase: filter.implied_phase(), ..filter.clone() };
    let texts = filter.texts().into_iter().map(|(_, text)| Box::new(text.map(str::to_owned)) as OwnedParameter);
    texts.chain(owned![filter.since, filter.until]).collect()
}

/// A key that a list found: its size is in the column `bytes`.
pub fn key<K>(row: &Row, of: K) -> Result<Key<K>, Cause> {
    Ok(Key { of, bytes: usize::try_from(row.try_get::<_, i32>("bytes")?)? })
}

/// Decodes all rows.
pub fn all<T>(rows: &[Row], decode: impl Fn(&Row) -> Result<T, Cause>) -> Result<Vec<T>, QueryError> {
    rows.iter().map(decode).collect::<Result<_, _>>().map_err(QueryError::Failed)
}

/// Decodes the first row.
pub fn first<T>(rows: &[Row], decode: impl Fn(&Row) -> Result<T, Cause>) -> Result<Option<T>, QueryError> {
    rows.first().map(decode).transpose().map_err(QueryError::Failed)
}

/// The first value of the first row.
pub fn value<T: FromSqlOwned>(rows: &[Row]) -> Result<Option<T>, QueryError> {
    first(rows, |row| Ok(row.try_get(0)?))
}

/// An array that is null if it would be empty.
pub fn array<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<Vec<T>, tokio_postgres::Error> {
    Ok(row.try_get::<_, Option<_>>(column)?.unwrap_or_default())
}

/// The records with these ids, without those that do not exist.
pub async fn records_by_id(keys: &Pool, ids: &[i64]) -> Result<HashMap<i64, Record>, QueryError> {
    let rows = keys.read(sql!("records_by_id"), &[&ids]).await?;
    Ok(all(&rows, record)?.into_iter().map(|record| (record.id, record)).collect())
}

#[cfg(test)]
mod tests {
    use super::{WIDTH, with_columns};

    #[test]
    fn every_placeholder_becomes_the_columns_of_its_table() {
        let sql = with_columns("select {record of r}, b.number, {record of b} from records r");
        assert!(sql.starts_with("select r.id, r.component, "), "{sql}");
        assert!(
            sql.contains(", r.updated_at, b.number, b.id, ") && sql.ends_with(", b.updated_at from records r"),
            "{sql}"
        );
        assert_eq!(sql.matches("r.").count(), WIDTH);
    }
}
