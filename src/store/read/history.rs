//! What records were, a page at a time.

use chrono::{DateTime, Utc};

use super::Reads;
use crate::{
    error::{Cause, Error},
    event::Kind,
    history::Entry,
    store::rows,
};

/// The last entry of a page, by its time: the next page begins behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor(DateTime<Utc>);

/// Entries of one record's history, newest first, and where the next page begins.
#[derive(Debug)]
pub struct HistoryPage {
    /// As many as were asked for, or all that there are.
    pub entries: Vec<Entry>,
    /// Set where there are more.
    pub next: Option<HistoryCursor>,
}

impl HistoryCursor {
    /// Reads what [`HistoryCursor::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let micros = i64::from_str_radix(text.strip_prefix('h')?, 16).ok()?;
        let cursor = Self(DateTime::from_timestamp_micros(micros)?);
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl std::fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "h{:x}", self.0.timestamp_micros())
    }
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

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::HistoryCursor;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        for micros in [1, 1_790_000_000_123_456] {
            let cursor = HistoryCursor(DateTime::from_timestamp_micros(micros).unwrap());
            assert_eq!(HistoryCursor::parse(&cursor.to_string()), Some(cursor));
        }
        for none in ["", "h", "1", "h-", "h+1", "h01", "hG", "hA", "h1-1", "hffffffffffffffff", "h7fffffffffffffff"] {
            assert_eq!(HistoryCursor::parse(none), None, "{none}");
        }
    }
}
