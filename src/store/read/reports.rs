//! Reports: figures of a window, computed by the database.

use std::{sync::Arc, time::Duration};

use tokio::sync::OnceCell;
use tokio_postgres::Row;

use crate::database::{Pool, PoolLimits, QueryError, SingleFlight};
use crate::domain::dora::{DeployFigures, Unrecovered};
use crate::domain::durations::{By, DurationFigures, DurationGroup, Of};
use crate::domain::key::Key;
use crate::domain::window::{Bounds, Window};
use crate::error::{Cause, Error};
use crate::store::rows::{self, array, owned, sql};

/// The most unrecovered failures that a report names.
const MAX_UNRECOVERED: i32 = 20;
/// The approximate size of the figures of a component with some unrecovered failures.
const FIGURES_BYTES: usize = 4 << 10;
/// The bytes of names after which `sql/durations_page.sql` ends a page.
const MAX_NAME_BYTES: i64 = 256 << 10;

pub struct Reports {
    queries: SingleFlight,
    /// How long a report can take, all its queries together.
    pub timeout: Duration,
    zones: OnceCell<Vec<String>>,
}

impl Reports {
    pub fn new(pool: &Arc<Pool>, limits: PoolLimits) -> Self {
        let queries = SingleFlight::new(pool, pool.status().max_size, limits.wait);
        Self { queries, timeout: limits.statement, zones: OnceCell::new() }
    }

    /// The name of a time zone as the database spells it.
    pub async fn time_zone(&self, name: &str) -> Result<Option<&str>, Error> {
        let zones = self.zones.get_or_try_init(|| async {
            let rows = self.queries.read(sql!("time_zones"), Vec::new()).await?;
            Ok::<_, Error>(rows::all(&rows, |row| Ok(row.try_get("name")?))?)
        });
        Ok(zones.await?.iter().find(|zone| zone.eq_ignore_ascii_case(name)).map(String::as_str))
    }

    /// The window between these bounds, by the database's clock. The zone must be a result of [`Reports::time_zone`].
    pub async fn window(&self, bounds: &Bounds) -> Result<Window, Error> {
        let Bounds { since, until, days, zone } = bounds.clone();
        let rows = self.queries.read(sql!("report_window"), owned![since, until, days, zone]).await?;
        let window = rows::first(&rows, |row| {
            Ok(Window { since: row.try_get("since")?, until: row.try_get("until")?, days: row.try_get("days")? })
        });
        window?.ok_or_else(|| Error::Internal("the query of a window returned no row".into()))
    }

    /// How long the succeeded deploys or stages of a window took, by name. Those without a name come last. Also
    /// returns whether the names are so long that the page ends early.
    pub async fn durations(
        &self,
        (by, of): (By, Of),
        (component, environment): (Option<&str>, Option<&str>),
        window: &Window,
        after: Option<&str>,
        count: i64,
    ) -> Result<(Vec<DurationGroup>, bool), Error> {
        let [component, environment, after] = [component, environment, after].map(|text| text.map(str::to_owned));
        let (since, until, before) = (window.since, window.until, window.before());
        let parameters = owned![by.name(), component, environment, since, until, before, after, count, of.name()];
        let rows = self.queries.read(sql!("durations_page"), parameters).await.map_err(too_slow)?;
        let groups = rows::all(&rows, |row| {
            Ok(DurationGroup {
                name: row.try_get("name")?,
                window: duration_figures(row, "")?,
                before: duration_figures(row, "_before")?,
            })
        })?;
        let name_bytes = rows::all(&rows, |row| Ok(row.try_get::<_, Option<i64>>("name_bytes")?))?;
        Ok((groups, name_bytes.last() > Some(&Some(MAX_NAME_BYTES))))
    }

    /// The components that were ever deployed to the environment, by name.
    pub async fn components(
        &self,
        component: Option<&str>,
        environment: &str,
        after: Option<&str>,
        count: i64,
    ) -> Result<Vec<Key<String>>, Error> {
        let [component, after] = [component, after].map(|text| text.map(str::to_owned));
        let parameters = owned![component, environment.to_owned(), after, count];
        let rows = self.queries.read(sql!("dora_components"), parameters).await.map_err(too_slow)?;
        Ok(rows::all(&rows, |row| Ok(Key { of: row.try_get("component")?, bytes: FIGURES_BYTES }))?)
    }

    /// The figures of these components, by name.
    pub async fn dora(
        &self,
        components: Vec<String>,
        environment: &str,
        (window, zone): (&Window, &str),
    ) -> Result<Vec<DeployFigures>, Error> {
        let (environment, zone) = (environment.to_owned(), zone.to_owned());
        let parameters = owned![components, environment, window.since, window.until, zone, MAX_UNRECOVERED];
        let rows = self.queries.read(sql!("dora_page"), parameters).await.map_err(too_slow)?;
        Ok(rows::all(&rows, deploy_figures)?)
    }
}

fn too_slow(error: Arc<QueryError>) -> Error {
    match *error {
        QueryError::TooSlow => Error::TooSlow("the report takes too long: name a component or a shorter time".into()),
        _ => error.into(),
    }
}

fn duration_figures(row: &Row, suffix: &str) -> Result<DurationFigures, Cause> {
    let column = |name| format!("{name}{suffix}");
    let percentiles: Option<Vec<Option<f64>>> = row.try_get(&*column("percentiles"))?;
    Ok(DurationFigures::new(
        [
            row.try_get(&*column("count"))?,
            row.try_get(&*column("without_duration"))?,
            row.try_get(&*column("waited_count"))?,
        ],
        &percentiles.unwrap_or_default(),
        row.try_get(&*column("mean"))?,
    ))
}

fn deploy_figures(row: &Row) -> Result<DeployFigures, Cause> {
    let unrecovered = array(row, "unrecovered_ids")?.into_iter().zip(array(row, "unrecovered_versions")?);
    let times = array(row, "unrecovered_since")?.into_iter().zip(array(row, "unrecovered_ages")?);
    Ok(DeployFigures {
        component: row.try_get("component")?,
        succeeded: row.try_get("succeeded")?,
        failed: row.try_get("failed")?,
        unstated: row.try_get("unstated")?,
        days_with_deploys: row.try_get("days_with_deploys")?,
        with_commit: row.try_get("with_commit")?,
        lead_median: row.try_get("lead_median")?,
        with_unplanned: row.try_get("with_unplanned")?,
        unplanned: row.try_get("unplanned")?,
        failures: row.try_get("failures")?,
        rolled_back: row.try_get("rolled_back")?,
        undone: row.try_get("undone")?,
        recovered: row.try_get("recovered")?,
        recovery_median: row.try_get("recovery_median")?,
        unrecovered: unrecovered
            .zip(times)
            .map(|((id, version), (finished_at, age))| Unrecovered::new(id, version, finished_at, age))
            .collect(),
    })
}
