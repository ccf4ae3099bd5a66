//! The list, a page at a time.

use super::Reads;
use crate::{
    domain::cursor::Cursor,
    domain::filter::Filter,
    domain::record::{Phase, Record},
    error::Error,
    store::rows,
};

/// Records, newest first, and where the next page begins.
#[derive(Debug)]
pub struct Page {
    /// As many as were asked for, or all that there are.
    pub records: Vec<Record>,
    /// Set where there are more.
    pub next: Option<Cursor>,
}

impl Reads {
    /// A page of records, newest first.
    pub async fn page(&self, filter: &Filter, after: Option<Cursor>, limit: u32) -> Result<Page, Error> {
        let sql = include_str!("../../../sql/records_page.sql");
        let rows = self
            .lists
            .read(
                sql,
                &[
                    &filter.component,
                    &filter.version,
                    &filter.owner,
                    &filter.status,
                    &filter.phase_asked().map(Phase::name),
                    &filter.environment,
                    &filter.run,
                    &filter.stage,
                    &filter.since,
                    &filter.until,
                    &after.map(|cursor| cursor.recorded_at),
                    &after.map(|cursor| cursor.id),
                    // One more than asked for, to know whether there is a next page.
                    &(i64::from(limit) + 1),
                ],
            )
            .await?;
        let mut records = rows.iter().map(rows::record).collect::<Result<Vec<_>, _>>().map_err(Error::Internal)?;
        let has_more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| has_more).map(Cursor::of);
        Ok(Page { records, next })
    }
}
