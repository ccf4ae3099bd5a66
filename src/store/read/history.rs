//! The history of a record.

use chrono::{DateTime, Utc};

use super::Reads;
use crate::{
    domain::{event::Kind, history::Entry},
    error::{Cause, Error},
    store::rows,
};

impl Reads {
    /// Entries of a record's history before a time, newest first. Deleted records have one, too. Fails with `NotFound`
    /// if there never was such a record.
    pub async fn history(&self, id: i64, before: Option<DateTime<Utc>>, count: i64) -> Result<Vec<Entry>, Error> {
        let rows = self.keys.read(include_str!("../../../sql/history_page.sql"), &[&id, &before, &count]).await?;
        if rows.is_empty() {
            return Err(Error::NotFound);
        }
        rows.iter().filter_map(|row| entry(row).transpose()).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}

/// `None` for a row of nulls: the record exists, but has no (further) entries.
fn entry(row: &tokio_postgres::Row) -> Result<Option<Entry>, Cause> {
    let Some(at) = rows::column(row, 18)? else { return Ok(None) };
    let change: &str = rows::column(row, 19)?;
    let change = Kind::named(change).ok_or_else(|| format!("unknown change {change}"))?;
    Ok(Some(Entry { at, by: rows::column(row, 20)?, change, was: rows::record(row)? }))
}
