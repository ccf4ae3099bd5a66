//! Rows as records. Every query that answers records begins with the same eighteen columns.

use tokio_postgres::{Row, types::FromSql};

use crate::{
    error::Cause,
    record::{NewRecord, Phase, Record},
};

/// One column.
pub fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Cause> {
    Ok(row.try_get(index)?)
}

/// The record of a row's first columns.
pub fn record(row: &Row) -> Result<Record, Cause> {
    let phase: &str = column(row, 14)?;
    Ok(Record {
        id: column(row, 0)?,
        said: NewRecord {
            component: column(row, 1)?,
            version: column(row, 2)?,
            owner: column(row, 3)?,
            status: column(row, 4)?,
            environment: column(row, 5)?,
            run: column(row, 6)?,
            stage: column(row, 7)?,
            url: column(row, 8)?,
            commit: column(row, 9)?,
            committed_at: column(row, 10)?,
            unplanned: column(row, 11)?,
            started_at: column(row, 12)?,
            finished_at: column(row, 13)?,
            phase: Phase::named(phase).ok_or_else(|| format!("unknown phase {phase}"))?,
        },
        start_id: column(row, 15)?,
        recorded_at: column(row, 16)?,
        updated_at: column(row, 17)?,
    })
}
