//! The list, a page at a time.

use chrono::{DateTime, Utc};

use super::Reads;
use crate::{
    error::Error,
    record::{Phase, Record},
    store::rows,
};

/// Which records: those that have all of these.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the record's own fields")]
pub struct Filter {
    pub component: Option<String>,
    pub version: Option<String>,
    pub owner: Option<String>,
    pub status: Option<String>,
    pub phase: Option<Phase>,
    pub environment: Option<String>,
    pub run: Option<String>,
    pub stage: Option<String>,
    /// Recorded then or later.
    pub since: Option<DateTime<Utc>>,
    /// Recorded before then.
    pub until: Option<DateTime<Utc>>,
}

impl Filter {
    /// The phase that is asked for: a status word is of one, and there is an index of the rare ones.
    #[must_use]
    pub fn phase_asked(&self) -> Option<Phase> {
        self.phase.or_else(|| self.status.as_deref().map(Phase::of_status))
    }

    /// Whether it lets a record pass.
    #[must_use]
    pub fn passes(&self, record: &Record) -> bool {
        fn is(wanted: Option<&String>, value: Option<&String>) -> bool {
            wanted.is_none_or(|wanted| value == Some(wanted))
        }
        let said = &record.said;
        is(self.component.as_ref(), Some(&said.component))
            && is(self.version.as_ref(), Some(&said.version))
            && is(self.owner.as_ref(), Some(&said.owner))
            && is(self.status.as_ref(), Some(&said.status))
            && self.phase.is_none_or(|phase| phase == said.phase)
            && is(self.environment.as_ref(), said.environment.as_ref())
            && is(self.run.as_ref(), said.run.as_ref())
            && is(self.stage.as_ref(), said.stage.as_ref())
            && self.since.is_none_or(|since| since <= record.recorded_at)
            && self.until.is_none_or(|until| record.recorded_at < until)
    }
}

/// The last record of a page: the next page begins behind it, whatever arrives meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    recorded_at: DateTime<Utc>,
    id: i64,
}

/// Records, newest first, and where the next page begins.
#[derive(Debug)]
pub struct Page {
    /// As many as were asked for, or all that there are.
    pub records: Vec<Record>,
    /// Set where there are more.
    pub next: Option<Cursor>,
}

impl Cursor {
    fn of(record: &Record) -> Self {
        Self { recorded_at: record.recorded_at, id: record.id }
    }

    /// Reads what [`Cursor::to_string`] wrote, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('-')?;
        let recorded_at = DateTime::from_timestamp_micros(i64::from_str_radix(micros, 16).ok()?)?;
        let cursor = Self { recorded_at, id: i64::from_str_radix(id, 16).ok()? };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:x}-{:x}", self.recorded_at.timestamp_micros(), self.id)
    }
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
