//! What the five DORA metrics are made of.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::Window;
use crate::{
    error::{Cause, Error},
    store::{read::Reads, rows::column},
};

/// The deploys of a component to an environment that finished in a window, aborted ones left out.
#[derive(Debug)]
pub struct DeployFigures {
    /// Of which component.
    pub component: String,
    /// Those that succeeded.
    pub succeeded: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those that finished without saying how: they are in nothing else here.
    pub unstated: i64,
    /// Days of the window's time zone on which one succeeded.
    pub days_with_deploys: i64,
    /// Those that succeeded and say `committed_at`, before their finish.
    pub with_commit: i64,
    /// The median of their lead times, in seconds.
    pub lead_median: Option<f64>,
    /// Those that say `unplanned`, whether true or false.
    pub said_unplanned: i64,
    /// Those that say it is true.
    pub unplanned: i64,
    /// Those that failed, and those that succeeded and were a failure nevertheless.
    pub failures: i64,
    /// The latter, where a `rolled_back` record names one.
    pub only_named: i64,
    /// The latter, where one was undone by a rollback alone.
    pub only_undone: i64,
    /// Failures after which one succeeded.
    pub recovered: i64,
    /// The median of the times till then, in seconds.
    pub recovery_median: Option<f64>,
    /// The newest of the others, newest first.
    pub unrecovered: Vec<Unrecovered>,
}

/// A failure after which none succeeded yet.
#[derive(Debug)]
pub struct Unrecovered {
    /// The id of its finish.
    pub id: i64,
    /// What was to be put there.
    pub version: String,
    /// When it finished.
    pub finished_at: DateTime<Utc>,
    /// How long ago that is, in seconds.
    pub age: f64,
}

/// As many unrecovered failures are named.
pub const MAX_UNRECOVERED: i32 = 20;

impl Reads {
    /// A page of the components that were ever deployed to the environment, by name. Reads one more than asked for, to
    /// know whether there is a next page.
    pub async fn deploy_figures(
        &self,
        component: Option<&str>,
        environment: &str,
        (window, zone): (&Window, &str),
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeployFigures>, Error> {
        let _turn = self.reports.take().await?;
        let sql = include_str!("../../../../sql/dora_page.sql");
        let (since, until, limit) = (window.since, window.until, i64::from(limit) + 1);
        let rows = self
            .lists
            .read(sql, &[&component, &environment, &since, &until, &zone, &after, &limit, &MAX_UNRECOVERED])
            .await?;
        rows.iter().map(figures).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}

fn figures(row: &Row) -> Result<DeployFigures, Cause> {
    let ids: Option<Vec<i64>> = column(row, 14)?;
    let versions: Option<Vec<String>> = column(row, 15)?;
    let moments: Option<Vec<DateTime<Utc>>> = column(row, 16)?;
    let ages: Option<Vec<f64>> = column(row, 17)?;
    let each = ids.into_iter().flatten().zip(versions.into_iter().flatten());
    let each = each.zip(moments.into_iter().flatten()).zip(ages.into_iter().flatten());
    Ok(DeployFigures {
        component: column(row, 0)?,
        succeeded: column(row, 1)?,
        failed: column(row, 2)?,
        unstated: column(row, 3)?,
        days_with_deploys: column(row, 4)?,
        with_commit: column(row, 5)?,
        lead_median: column(row, 6)?,
        said_unplanned: column(row, 7)?,
        unplanned: column(row, 8)?,
        failures: column(row, 9)?,
        only_named: column(row, 10)?,
        only_undone: column(row, 11)?,
        recovered: column(row, 12)?,
        recovery_median: column(row, 13)?,
        unrecovered: each
            .map(|(((id, version), finished_at), age)| Unrecovered { id, version, finished_at, age })
            .collect(),
    })
}
