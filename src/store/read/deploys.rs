//! Deploys: their list with the stages of their runs, current versions, and the last deploys for metrics.

use std::sync::Arc;

use tokio_postgres::Row;

use crate::database::{Parameters, Pool};
use crate::domain::cursor::{CurrentCursor, DeployCursor};
use crate::domain::deploy::{Attempt, Current, Deploy, State};
use crate::domain::filter::Filter;
use crate::domain::record::Phase;
use crate::error::{Cause, Error};
use crate::store::rows::{self, sql};

/// The most components and environments with metrics, the first by name.
pub const MAX_LAST_DEPLOYS: usize = 500;

pub struct Deploys {
    keys: Arc<Pool>,
    lists: Arc<Pool>,
}

/// The last finished deploy of a component in an environment.
pub struct LastDeploy {
    pub component: String,
    /// Empty if the record has no environment.
    pub environment: String,
    /// Unix time in seconds.
    pub finished_at: f64,
    /// In seconds.
    pub duration: Option<f64>,
    pub is_success: bool,
}

impl Deploys {
    pub fn new(keys: &Arc<Pool>, lists: &Arc<Pool>) -> Self {
        Self { keys: keys.clone(), lists: lists.clone() }
    }

    /// Deploys that match the filter, newest first by their own moments, which `since` and `until` bound.
    pub async fn list(
        &self,
        filter: &Filter,
        state: Option<State>,
        after: Option<DeployCursor>,
        count: i64,
    ) -> Result<Vec<Deploy>, Error> {
        let phase = filter.implied_phase();
        // The query skips the states that cannot have the phase.
        let wants = |one: State| {
            let is_phase = |phase: Phase| phase.is_clock() && phase.stops() == (one == State::Finished);
            state.is_none_or(|state| state == one) && phase.is_none_or(is_phase)
        };
        let wanted = [State::Finished, State::Superseded, State::Running, State::Stale].map(wants);
        let (moment, id) = after.map(|cursor| (cursor.moment, cursor.id)).unzip();
        let phase = phase.map(Phase::name);
        let others: Parameters = &[&moment, &id, &count, &wanted[0], &wanted[1], &wanted[2], &wanted[3]];
        let rows = self.lists.read(sql!("deploys_page"), &rows::filtered(filter, &phase, others)).await?;
        Ok(rows::all(&rows, |row| Ok(Deploy { attempt: deploy(row, state_of(row)?)?, stages: None }))?)
    }

    /// Adds to every deploy the attempts at the stages of its run, ordered by their starts.
    pub async fn add_stages(&self, deploys: &mut [Deploy]) -> Result<(), Error> {
        let fields: Vec<_> = deploys.iter().map(|deploy| &deploy.attempt.record.fields).collect();
        let components: Vec<_> = fields.iter().map(|fields| &fields.component).collect();
        let environments: Vec<_> = fields.iter().map(|fields| &fields.environment).collect();
        let runs: Vec<_> = fields.iter().map(|fields| &fields.run).collect();
        let rows = self.lists.read(sql!("stages_of_runs"), &[&components, &environments, &runs]).await?;
        let mut stages = rows::all(&rows, |row| {
            let attempt = Attempt { record: rows::record(row)?, state: state_of(row)? };
            Ok((usize::try_from(row.try_get::<_, i64>("line")? - 1)?, attempt))
        })?;
        stages.sort_by_key(|(_, stage)| {
            (stage.record.fields.started_at.or(stage.moment()), stage.moment(), stage.record.id)
        });
        for deploy in deploys.iter_mut() {
            deploy.stages = Some(Vec::new());
        }
        for (index, stage) in stages {
            deploys[index].stages.get_or_insert_default().push(stage);
        }
        Ok(())
    }

    /// The last succeeded deploy of each component and environment, ordered by both.
    pub async fn current(
        &self,
        component: Option<&str>,
        environment: Option<&str>,
        after: Option<&CurrentCursor>,
        count: i64,
    ) -> Result<Vec<Current>, Error> {
        let (last_component, last_environment) =
            after.map(|last| (last.component.as_str(), last.environment.as_str())).unzip();
        let parameters: Parameters = &[&component, &environment, &last_component, &last_environment, &count];
        let rows = self.lists.read(sql!("current_page"), parameters).await?;
        Ok(rows::all(&rows, |row| {
            Ok(Current { attempt: deploy(row, State::Finished)?, previous_version: row.try_get("previous_version")? })
        })?)
    }

    /// The number of deploys that started within the last day and have not finished.
    pub async fn running(&self) -> Result<i64, Error> {
        let rows = self.keys.read(sql!("deploys_running"), &[]).await?;
        Ok(rows::value(&rows)?.unwrap_or_default())
    }

    /// The last finished deploy of each component and environment, by name; one more than [`MAX_LAST_DEPLOYS`] if there
    /// are more.
    pub async fn last(&self) -> Result<Vec<LastDeploy>, Error> {
        let count = i32::try_from(MAX_LAST_DEPLOYS + 1).unwrap_or(i32::MAX);
        let rows = self.keys.read(sql!("deploys_last"), &[&count]).await?;
        Ok(rows::all(&rows, |row| {
            Ok(LastDeploy {
                component: row.try_get("component")?,
                environment: row.try_get("environment")?,
                finished_at: row.try_get("finished_at")?,
                duration: row.try_get("duration")?,
                is_success: row.try_get("is_success")?,
            })
        })?)
    }
}

/// A finish without a link gets the link of its start.
fn deploy(row: &Row, state: State) -> Result<Attempt, Cause> {
    let mut record = rows::record(row)?;
    record.fields.url = record.fields.url.or(row.try_get("start_url")?);
    Ok(Attempt { record, state })
}

fn state_of(row: &Row) -> Result<State, Cause> {
    let name = row.try_get("state")?;
    State::named(name).ok_or_else(|| format!("unknown state {name}").into())
}
