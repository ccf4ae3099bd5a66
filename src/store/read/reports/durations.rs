//! How long deploys and stages took.

use tokio_postgres::Row;

use super::Window;
use crate::{
    error::{Cause, Error},
    store::{read::Reads, rows::column},
};

/// What they are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the record's own fields")]
pub enum By {
    Component,
    Stage,
    Environment,
    Owner,
    Version,
}

impl By {
    const ALL: [(Self, &str); 5] = [
        (Self::Component, "component"),
        (Self::Stage, "stage"),
        (Self::Environment, "environment"),
        (Self::Owner, "owner"),
        (Self::Version, "version"),
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(by, _)| *by)
    }

    /// Its name: the field's.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The durations of what succeeded in a window, in seconds; those without a duration are in none but the first two.
#[derive(Debug)]
pub struct DurationFigures {
    /// All that succeeded.
    pub count: i64,
    /// How many of them have no duration.
    pub without_duration: i64,
    /// p50, p90, p95 and the longest, where one has a duration.
    pub percentiles: Option<[f64; 4]>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
}

/// What has one name.
#[derive(Debug)]
pub struct NamedDurations {
    /// Where the field is left out, none.
    pub name: Option<String>,
    /// In the window.
    pub now: DurationFigures,
    /// In the one before it.
    pub before: DurationFigures,
}

impl Reads {
    /// A page of them, by name; those without a name come last. Reads one more than asked for, to know whether there
    /// is a next page.
    pub async fn durations(
        &self,
        by: By,
        (component, environment): (Option<&str>, Option<&str>),
        window: &Window,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<NamedDurations>, Error> {
        let _turn = self.reports.take().await?;
        let sql = include_str!("../../../../sql/durations_page.sql");
        let (since, until, before) = (window.since, window.until, window.before());
        let limit = i64::from(limit) + 1;
        let rows = self
            .lists
            .read(sql, &[&by.name(), &component, &environment, &since, &until, &before, &after, &limit])
            .await?;
        rows.iter().map(named).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}

fn named(row: &Row) -> Result<NamedDurations, Cause> {
    Ok(NamedDurations { name: column(row, 0)?, now: figures(row, 1)?, before: figures(row, 5)? })
}

fn figures(row: &Row, first: usize) -> Result<DurationFigures, Cause> {
    let percentiles: Option<Vec<Option<f64>>> = column(row, first + 2)?;
    let percentiles = percentiles.and_then(|all| all.into_iter().collect::<Option<Vec<_>>>());
    Ok(DurationFigures {
        count: column(row, first)?,
        without_duration: column(row, first + 1)?,
        percentiles: percentiles.and_then(|all| all.try_into().ok()),
        mean: column(row, first + 3)?,
    })
}
