//! Deploys: their list with the stages of their runs, current versions, and the last deploys for metrics.

use std::{collections::HashMap, sync::Arc};

use tokio_postgres::Row;

use crate::database::{OwnedParameter, Pool};
use crate::domain::cursor::{CurrentCursor, DeployCursor};
use crate::domain::deploy::{Attempt, Current, State};
use crate::domain::filter::Filter;
use crate::domain::key::Key;
use crate::domain::record::Phase;
use crate::error::{Cause, Error};
use crate::store::read::lists::Lists;
use crate::store::rows::{self, owned, sql};

/// The most components and environments with metrics, the first by name.
pub const MAX_LAST_DEPLOYS: usize = 500;
/// The most stages of a run that are read.
const MAX_STAGES: i64 = 1000;
/// The most stages that are read for one page.
const MAX_STAGES_OF_PAGE: usize = 10_000;
/// One more, and one for each of at most a hundred deploys whose run has too many.
const MAX_STAGE_ROWS: i64 = 10_101;

pub struct Deploys {
    keys: Arc<Pool>,
    lists: Arc<Lists>,
}

/// A deploy, or an attempt at a stage, that a list found.
#[derive(Clone, Copy, Debug)]
pub struct AttemptKey {
    pub cursor: DeployCursor,
    pub state: State,
}

/// The attempts at the stages of a deploy's run, ordered by their starts.
#[derive(Clone, Debug, Default)]
pub struct StageKeys {
    pub found: Vec<Key<AttemptKey>>,
    /// Whether there are more.
    pub has_more: bool,
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
    pub fn new(keys: &Arc<Pool>, lists: &Arc<Lists>) -> Self {
        Self { keys: keys.clone(), lists: lists.clone() }
    }

    /// Deploys that match the filter, newest first by their own moments, which `since` and `until` bound.
    pub async fn list(
        &self,
        filter: &Filter,
        state: Option<State>,
        after: Option<DeployCursor>,
        count: i64,
    ) -> Result<Vec<Key<AttemptKey>>, Error> {
        let phase = filter.implied_phase();
        // The query skips the states that cannot have the phase.
        let wants = |one: State| {
            let is_phase = |phase: Phase| phase.is_clock() && phase.stops() == (one == State::Finished);
            Box::new(state.is_none_or(|state| state == one) && phase.is_none_or(is_phase)) as OwnedParameter
        };
        let wanted = [State::Finished, State::Superseded, State::Running, State::Stale].map(wants);
        let has_index = phase.is_none() && [&filter.owner, &filter.environment, &filter.stage] == [&None; 3];
        let mut parameters = rows::filter(filter);
        let (moment, id) = after.map(|cursor| (cursor.moment, cursor.id)).unzip();
        parameters.extend(owned![moment, id, count].into_iter().chain(wanted));
        let rows = self.lists.find(filter, has_index, sql!("deploys_page"), parameters).await?;
        Ok(rows::all(&rows, |row| rows::key(row, attempt_key(row)?))?)
    }

    /// The deploys, or attempts at stages, with these keys, in their order. `None` for one whose record was deleted since.
    /// A finish without a link gets the link of its start.
    pub async fn read(&self, keys: &[AttemptKey]) -> Result<Vec<Option<Attempt>>, Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.cursor.id).collect();
        let rows = self.lists.rows(sql!("deploys_by_id"), &[&ids]).await?;
        let attempts = rows::all(&rows, |row| attempt(row, State::Finished))?;
        let attempts: HashMap<_, _> = attempts.into_iter().map(|attempt| (attempt.record.id, attempt)).collect();
        let read = |key: &AttemptKey| Some(Attempt { state: key.state, ..attempts.get(&key.cursor.id)?.clone() });
        Ok(keys.iter().map(read).collect())
    }

    /// The stages of the runs of these deploys, in the order of the deploys.
    pub async fn stages(&self, deploys: &[Key<AttemptKey>]) -> Result<Vec<StageKeys>, Error> {
        let ids: Vec<_> = deploys.iter().map(|key| key.of.cursor.id).collect();
        let rows = self.lists.rows(sql!("stages_of_runs"), &[&ids, &MAX_STAGES, &MAX_STAGE_ROWS]).await?;
        let found = rows::all(&rows, |row| {
            let index = usize::try_from(row.try_get::<_, i64>("line")? - 1)?;
            Ok((index, row.try_get("is_beyond")?, rows::key(row, attempt_key(row)?)?))
        })?;
        let mut stages = vec![StageKeys::default(); deploys.len()];
        let mut left = MAX_STAGES_OF_PAGE;
        for (index, is_beyond, key) in found {
            if is_beyond {
                stages[index].has_more = true;
            } else if left == 0 {
                stages[index..].iter_mut().for_each(|stages| stages.has_more = true);
                break;
            } else {
                stages[index].found.push(key);
                left -= 1;
            }
        }
        Ok(stages)
    }

    /// The last succeeded deploy of each component and environment, ordered by both. The last but one key has its cursor,
    /// at which a next page begins.
    pub async fn current(
        &self,
        component: Option<&str>,
        environment: Option<&str>,
        after: Option<CurrentCursor>,
        count: i64,
    ) -> Result<Vec<Key<(i64, Option<CurrentCursor>)>>, Error> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (last_component, last_environment) = after.map(|last| (last.component, last.environment)).unzip();
        let parameters = owned![owned(component), owned(environment), last_component, last_environment, count];
        let rows = self.lists.read(sql!("current_page"), parameters).await?;
        Ok(rows::all(&rows, |row| {
            let pair = row.try_get::<_, Option<_>>("component")?.zip(row.try_get("environment")?);
            let cursor = pair.map(|(component, environment)| CurrentCursor { component, environment });
            rows::key(row, (row.try_get("id")?, cursor))
        })?)
    }

    /// The current versions whose finishes have these ids, in their order. Those that were deleted since are left out.
    pub async fn read_current(&self, ids: &[i64]) -> Result<Vec<Current>, Error> {
        let rows = self.lists.rows(sql!("current_by_id"), &[&ids]).await?;
        let versions = rows::all(&rows, |row| {
            let attempt = attempt(row, State::Finished)?;
            Ok((attempt.record.id, Current { attempt, previous_version: row.try_get("previous_version")? }))
        })?;
        let mut versions: HashMap<_, _> = versions.into_iter().collect();
        Ok(ids.iter().filter_map(|id| versions.remove(id)).collect())
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

fn attempt(row: &Row, state: State) -> Result<Attempt, Cause> {
    let mut record = rows::record(row)?;
    record.fields.url = record.fields.url.or(row.try_get("start_url")?);
    Ok(Attempt { record, state })
}

fn attempt_key(row: &Row) -> Result<AttemptKey, Cause> {
    let name = row.try_get("state")?;
    let state = State::named(name).ok_or_else(|| format!("unknown state {name}"))?;
    Ok(AttemptKey { cursor: DeployCursor { moment: row.try_get("moment")?, id: row.try_get("id")? }, state })
}
