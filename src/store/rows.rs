//! Rows as records. Every query that answers records begins with the same eighteen columns.

use tokio_postgres::{Row, types::FromSql};

use crate::{
    domain::record::{NewRecord, Phase, Record},
    error::Cause,
};

/// One column.
pub fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Cause> {
    Ok(row.try_get(index)?)
}

/// The record of a row's first columns.
pub fn record(row: &Row) -> Result<Record, Cause> {
    record_from(row, 0)
}

/// The record of a row's columns from this one on.
pub fn record_from(row: &Row, first: usize) -> Result<Record, Cause> {
    let phase: &str = column(row, first + 14)?;
    Ok(Record {
        id: column(row, first)?,
        fields: NewRecord {
            component: column(row, first + 1)?,
            version: column(row, first + 2)?,
            owner: column(row, first + 3)?,
            status: column(row, first + 4)?,
            environment: column(row, first + 5)?,
            run: column(row, first + 6)?,
            stage: column(row, first + 7)?,
            url: column(row, first + 8)?,
            commit: column(row, first + 9)?,
            committed_at: column(row, first + 10)?,
            unplanned: column(row, first + 11)?,
            started_at: column(row, first + 12)?,
            finished_at: column(row, first + 13)?,
            phase: Phase::named(phase).ok_or_else(|| format!("unknown phase {phase}"))?,
        },
        start_id: column(row, first + 15)?,
        recorded_at: column(row, first + 16)?,
        updated_at: column(row, first + 17)?,
    })
}
