//! Deploys: their list with the stages of their runs, current versions, and the last deploys for metrics.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use crate::database::{Parameters, Pool, QueryError};
use crate::domain::cursor::{CurrentCursor, DeployCursor};
use crate::domain::deploy::{Attempt, Current, Deploy, MIN_STALE_AFTER, State, stale_after};
use crate::domain::filter::Filter;
use crate::domain::record::Phase;
use crate::error::{Cause, Error};
use crate::store::rows::{self, sql};

/// The fewest running deploys that one query reads, to find those that are stale, or those that are not.
const RUNNING: u32 = 1000;
/// The most queries for one page.
const ROUNDS: usize = 20;
/// How long a typical duration is reused: reading it takes long for a component with many deploys, and it hardly changes.
const TYPICAL_MAX_AGE: Duration = Duration::from_secs(60);
/// The most components and environments with metrics, the first by name.
pub const MAX_LAST_DEPLOYS: usize = 500;

pub struct Deploys {
    keys: Arc<Pool>,
    lists: Arc<Pool>,
    /// The typical durations of components, in seconds, each with the time at which it was read. From them it follows
    /// when a running deploy is stale.
    typical: Mutex<HashMap<String, (Instant, Option<f64>)>>,
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
        Self { keys: keys.clone(), lists: lists.clone(), typical: Mutex::default() }
    }

    /// Deploys that match the filter, newest first by their own moments, which `since` and `until` bound: up to one more
    /// than `limit`. After many deploys of another state it stops early and returns where to continue.
    pub async fn list(
        &self,
        filter: &Filter,
        state: Option<State>,
        mut after: Option<DeployCursor>,
        limit: u32,
    ) -> Result<(Vec<Deploy>, Option<DeployCursor>), Error> {
        let mut found = Vec::new();
        // The database does not know which running deploys are stale: the typical duration is read once per component,
        // and only if it matters.
        let count = if matches!(state, Some(State::Running | State::Stale)) { limit.max(RUNNING) } else { limit } + 1;
        let mut is_last = false;
        for _ in 0..ROUNDS {
            let attempts = self.attempts(filter, state, after, count).await?;
            is_last = attempts.len() < count as usize;
            after = attempts.last().and_then(DeployCursor::of);
            found.extend(attempts.into_iter().filter(|attempt| state.is_none_or(|state| state == attempt.state)));
            if is_last || found.len() > limit as usize {
                break;
            }
        }
        let deploys = found.into_iter().map(|attempt| Deploy { attempt, stages: None }).collect();
        Ok((deploys, after.filter(|_| !is_last)))
    }

    async fn attempts(
        &self,
        filter: &Filter,
        state: Option<State>,
        after: Option<DeployCursor>,
        count: u32,
    ) -> Result<Vec<Attempt>, Error> {
        let phase = filter.implied_phase();
        // The query skips the states that cannot have the phase.
        let wants = |states: &[State]| {
            let is_phase = |phase: Phase| phase.is_clock() && phase.stops() == (states == [State::Finished]);
            state.is_none_or(|state| states.contains(&state)) && phase.is_none_or(is_phase)
        };
        let (finished, superseded) = (wants(&[State::Finished]), wants(&[State::Superseded]));
        let (running, count) = (wants(&[State::Running, State::Stale]), i64::from(count));
        let (moment, id) = after.map(|cursor| (cursor.moment, cursor.id)).unzip();
        let phase = phase.map(Phase::name);
        let parameters = rows::filtered(filter, &phase, &[&moment, &id, &count, &finished, &superseded, &running]);
        let rows = self.lists.read(sql!("deploys_page"), &parameters).await?;
        let mut attempts = rows::all(&rows, |row| attempt(row, row.try_get("is_superseded")?))?;
        if let Some(now) = rows::first(&rows, |row| Ok(row.try_get("now")?))? {
            self.mark_stale(&mut attempts, now).await?;
        }
        Ok(attempts)
    }

    async fn mark_stale(&self, attempts: &mut [Attempt], now: DateTime<Utc>) -> Result<(), Error> {
        let age = |attempt: &Attempt| attempt.moment().map(|started_at| now - started_at);
        let mut old: Vec<_> = attempts
            .iter_mut()
            .filter(|attempt| attempt.state == State::Running && age(attempt) > Some(MIN_STALE_AFTER))
            .collect();
        let components: HashSet<_> = old.iter().map(|attempt| attempt.record.fields.component.clone()).collect();
        let typical = self.typical_durations(components).await?;
        for attempt in &mut old {
            let typical = typical.get(&attempt.record.fields.component).copied().flatten();
            if age(attempt) > Some(stale_after(typical)) {
                attempt.state = State::Stale;
            }
        }
        Ok(())
    }

    /// The typical durations of these components, `None` for a component without durations.
    async fn typical_durations(&self, components: HashSet<String>) -> Result<HashMap<String, Option<f64>>, QueryError> {
        let cache = || self.typical.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut durations, mut unknown) = (HashMap::new(), Vec::new());
        for component in components {
            match cache().get(&component) {
                Some((read_at, seconds)) if read_at.elapsed() < TYPICAL_MAX_AGE => {
                    durations.insert(component, *seconds);
                }
                _ => unknown.push(component),
            }
        }
        if !unknown.is_empty() {
            let read_at = Instant::now();
            let rows = self.lists.read(sql!("durations_typical"), &[&unknown]).await?;
            let read = rows::all(&rows, |row| Ok((row.try_get("component")?, row.try_get("seconds")?)))?;
            let mut cached = cache();
            cached.retain(|_, (read_at, _)| read_at.elapsed() < TYPICAL_MAX_AGE);
            for (component, seconds) in read {
                cached.insert(String::clone(&component), (read_at, seconds));
                durations.insert(component, seconds);
            }
        }
        Ok(durations)
    }

    /// Adds to every deploy the attempts at the stages of its run, ordered by their starts.
    pub async fn add_stages(&self, deploys: &mut [Deploy]) -> Result<(), Error> {
        let fields: Vec<_> = deploys.iter().map(|deploy| &deploy.attempt.record.fields).collect();
        let components: Vec<_> = fields.iter().map(|fields| &fields.component).collect();
        let environments: Vec<_> = fields.iter().map(|fields| &fields.environment).collect();
        let runs: Vec<_> = fields.iter().map(|fields| &fields.run).collect();
        let rows = self.lists.read(sql!("stages_of_runs"), &[&components, &environments, &runs]).await?;
        let mut stages = rows::all(&rows, |row| {
            let attempt = Attempt::new(rows::record(row)?, row.try_get("is_superseded")?);
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
            Ok(Current { attempt: attempt(row, false)?, previous_version: row.try_get("previous_version")? })
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
fn attempt(row: &Row, is_superseded: bool) -> Result<Attempt, Cause> {
    let mut record = rows::record(row)?;
    record.fields.url = record.fields.url.or(row.try_get("start_url")?);
    Ok(Attempt::new(record, is_superseded))
}
