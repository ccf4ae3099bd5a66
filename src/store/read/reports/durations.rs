//! How long deploys and stages took.

use tokio_postgres::Row;

use crate::{
    domain::{
        durations::{By, DurationFigures, NamedDurations},
        window::Window,
    },
    error::{Cause, Error},
    store::{read::Reads, rows::column},
};

impl Reads {
    /// A page of them, by name; those without a name come last.
    pub async fn durations(
        &self,
        by: By,
        (component, environment): (Option<&str>, Option<&str>),
        window: &Window,
        after: Option<&str>,
        count: i64,
    ) -> Result<Vec<NamedDurations>, Error> {
        let _turn = self.reports.take().await?;
        let sql = include_str!("../../../../sql/durations_page.sql");
        let (since, until, before) = (window.since, window.until, window.before());
        let rows = self
            .lists
            .read(sql, &[&by.name(), &component, &environment, &since, &until, &before, &after, &count])
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
