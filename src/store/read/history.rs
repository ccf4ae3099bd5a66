//! What records were, a page at a time.

use super::Reads;
use crate::{
    domain::cursor::HistoryCursor,
    domain::event::Kind,
    domain::history::Entry,
    error::{Cause, Error},
    store::rows,
};

/// Entries of one record's history, newest first, and where the next page begins.
#[derive(Debug)]
pub struct HistoryPage {
    /// As many as were asked for, or all that there are.
    pub entries: Vec<Entry>,
    /// Set where there are more.
    pub next: Option<HistoryCursor>,
}

impl Reads {
    /// A page of a record's history: also of one that was deleted, and of none that never was.
    pub async fn history(&self, id: i64, after: Option<HistoryCursor>, limit: u32) -> Result<HistoryPage, Error> {
        let sql = include_str!("../../../sql/history_page.sql");
        // One more than asked for, to know whether there is a next page.
        let count = i64::from(limit) + 1;
        let rows = self.keys.read(sql, &[&id, &after.map(|cursor| cursor.0), &count]).await?;
        if rows.is_empty() {
            return Err(Error::NotFound);
        }
        let entries = rows.iter().filter_map(|row| entry(row).transpose()).collect::<Result<Vec<_>, _>>();
        let mut entries = entries.map_err(Error::Internal)?;
        let has_more = entries.len() > limit as usize;
        entries.truncate(limit as usize);
        let next = entries.last().filter(|_| has_more).map(|entry| HistoryCursor(entry.at));
        Ok(HistoryPage { entries, next })
    }
}

/// Nothing where there is none.
fn entry(row: &tokio_postgres::Row) -> Result<Option<Entry>, Cause> {
    let Some(at) = rows::column(row, 18)? else { return Ok(None) };
    let change: &str = rows::column(row, 19)?;
    let change = Kind::named(change).ok_or_else(|| format!("unknown change {change}"))?;
    Ok(Some(Entry { at, by: rows::column(row, 20)?, change, was: rows::record(row)? }))
}
