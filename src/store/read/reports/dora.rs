//! What the five DORA metrics are made of.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::{
    domain::{
        dora::{DeployFigures, Unrecovered},
        window::Window,
    },
    error::{Cause, Error},
    store::{read::Reads, rows::column},
};

/// As many unrecovered failures are named.
pub const MAX_UNRECOVERED: i32 = 20;

impl Reads {
    /// A page of the components that were ever deployed to the environment, by name.
    pub async fn deploy_figures(
        &self,
        component: Option<&str>,
        environment: &str,
        (window, zone): (&Window, &str),
        after: Option<&str>,
        count: i64,
    ) -> Result<Vec<DeployFigures>, Error> {
        let _turn = self.reports.take().await?;
        let sql = include_str!("../../../../sql/dora_page.sql");
        let (since, until) = (window.since, window.until);
        let rows = self
            .lists
            .read(sql, &[&component, &environment, &since, &until, &zone, &after, &count, &MAX_UNRECOVERED])
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
