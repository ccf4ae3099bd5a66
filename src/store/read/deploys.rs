//! Deploys, a page at a time, and the stages of their runs.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{Reads, usual::Usual};
use crate::{
    database::Pool,
    domain::cursor::DeployCursor,
    domain::deploy::{Attempt, Deploy, LEAST_PATIENCE, State, patience},
    domain::filter::Filter,
    domain::record::Phase,
    error::{Cause, Error},
    store::rows,
};

/// How many that run are read at once, to find those that are stale, or are not.
const RUNNING: u32 = 1000;
/// How often; then the next page goes on.
const ROUNDS: usize = 20;

impl Reads {
    /// Deploys that match the filter, newest first by their own moments, which `since` and `until` bound: up to one more
    /// than `limit`. After many deploys of another state it stops early and returns where to continue.
    pub async fn deploys(
        &self,
        filter: &Filter,
        state: Option<State>,
        mut after: Option<DeployCursor>,
        limit: u32,
    ) -> Result<(Vec<Deploy>, Option<DeployCursor>), Error> {
        let mut found: Vec<Attempt> = Vec::new();
        // The database does not know which running deploys are stale: the typical duration is read once per component,
        // and only if it matters.
        let count = if matches!(state, Some(State::Running | State::Stale)) { limit.max(RUNNING) } else { limit } + 1;
        let mut is_last = false;
        for _ in 0..ROUNDS {
            let (mut attempts, now) = attempts(&self.lists, filter, state, after, count).await?;
            is_last = attempts.len() < count as usize;
            after = attempts.last().and_then(DeployCursor::of);
            mark_stale(&self.lists, &mut attempts, now, &self.usual).await?;
            found.extend(attempts.into_iter().filter(|attempt| state.is_none_or(|state| state == attempt.state)));
            if is_last || found.len() > limit as usize {
                break;
            }
        }
        let deploys = found.into_iter().map(|attempt| Deploy { attempt, stages: None }).collect();
        Ok((deploys, after.filter(|_| !is_last)))
    }

    /// Adds to every deploy the attempts at the stages of its run, ordered by their starts.
    pub async fn add_stages(&self, deploys: &mut [Deploy]) -> Result<(), Error> {
        let (mut components, mut environments, mut runs, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (place, deploy) in deploys.iter_mut().enumerate() {
            deploy.stages = Some(Vec::new());
            let fields = &deploy.attempt.record.fields;
            if let Some(run) = &fields.run {
                components.push(fields.component.clone());
                environments.push(fields.environment.clone());
                runs.push(run.clone());
                places.push(place);
            }
        }
        let sql = include_str!("../../../sql/stages_of_runs.sql");
        let stages = self.lists.read(sql, &[&components, &environments, &runs]).await?;
        for row in &stages {
            let read = || Ok((Attempt::new(rows::record(row)?, rows::column(row, 18)?), rows::column::<i64>(row, 19)?));
            let (attempt, line) = read().map_err(Error::Internal)?;
            let place = usize::try_from(line - 1).ok().and_then(|line| places.get(line));
            if let Some(stages) = place.and_then(|place| deploys[*place].stages.as_mut()) {
                stages.push(attempt);
            }
        }
        for stages in deploys.iter_mut().filter_map(|deploy| deploy.stages.as_mut()) {
            stages.sort_by_key(|stage| {
                (stage.record.fields.started_at.or(stage.moment()), stage.moment(), stage.record.id)
            });
        }
        Ok(())
    }
}

/// The deploys behind `after`, and the database's time. None is stale yet.
async fn attempts(
    lists: &Pool,
    filter: &Filter,
    state: Option<State>,
    after: Option<DeployCursor>,
    count: u32,
) -> Result<(Vec<Attempt>, Option<DateTime<Utc>>), Error> {
    let phase = filter.phase_asked();
    // What can have none of a phase is not looked through for it.
    let wants = |wanted: &[State]| {
        let is_phase = |phase: Phase| phase.stops() == (wanted == [State::Finished]) && phase.is_clock();
        state.is_none_or(|state| wanted.contains(&state)) && phase.is_none_or(is_phase)
    };
    let rows = lists
        .read(
            include_str!("../../../sql/deploys_page.sql"),
            &[
                &filter.component,
                &filter.version,
                &filter.owner,
                &filter.status,
                &phase.map(Phase::name),
                &filter.environment,
                &filter.run,
                &filter.stage,
                &filter.since,
                &filter.until,
                &after.map(|cursor| cursor.moment),
                &after.map(|cursor| cursor.id),
                &i64::from(count),
                &wants(&[State::Finished]),
                &wants(&[State::Superseded]),
                &wants(&[State::Running, State::Stale]),
            ],
        )
        .await?;
    let attempts = rows.iter().map(|row| Ok(Attempt::new(rows::record(row)?, rows::column(row, 18)?)));
    let attempts = attempts.collect::<Result<Vec<_>, Cause>>().map_err(Error::Internal)?;
    let now = rows.first().map(|row| rows::column(row, 19)).transpose().map_err(Error::Internal)?;
    Ok((attempts, now))
}

/// Finds those that run for too long.
async fn mark_stale(
    lists: &Pool,
    attempts: &mut [Attempt],
    now: Option<DateTime<Utc>>,
    usual: &Usual,
) -> Result<(), Error> {
    let age = |attempt: &Attempt| now.zip(attempt.moment()).map(|(now, began)| now - began);
    let mut old: Vec<_> = attempts
        .iter_mut()
        .filter(|attempt| attempt.state == State::Running && age(attempt).is_some_and(|age| age > LEAST_PATIENCE))
        .collect();
    let components: HashSet<_> = old.iter().map(|attempt| attempt.record.fields.component.clone()).collect();
    let usual = usual.of(lists, components).await?;
    for attempt in &mut old {
        let usual = usual.get(&attempt.record.fields.component).copied().flatten();
        if age(attempt).is_some_and(|age| age > patience(usual)) {
            attempt.state = State::Stale;
        }
    }
    Ok(())
}
