//! Deletes old records, histories and events.
//!
//! Each step is a transaction of bounded size, because writers of its component wait meanwhile. A step deletes records of
//! one unit: a run, a deploy without a run, or a record that belongs to neither.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::counts::Counts;
use super::rows::{self, sql};
use crate::database::{Parameters, Pool, QueryError};

/// The pause between two searches for old records.
const RECORDS_PAUSE: Duration = Duration::from_secs(3600);
/// The same after an error.
const RETRY_PAUSE: Duration = Duration::from_secs(60);
/// The pause between two searches for old events.
const EVENTS_PAUSE: Duration = Duration::from_secs(60);
/// For one step.
const STEP_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause after a step that failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Each deletion is followed by a pause of this many times its length, for the writers.
const PAUSE: u32 = 3;
/// The pause per deleted record is at least this long: each one is an event for every subscriber.
const PAUSE_PER_RECORD: Duration = Duration::from_millis(1);
/// Before all records, by `recorded_at` and id.
const BEGINNING: (DateTime<Utc>, i64) = (DateTime::UNIX_EPOCH, 0);
/// The limit in `sql/run_must_stay.sql`.
const CHECKED: i64 = 500;

/// Component, run and ids, as `sql/records_old.sql` returns them.
type Unit = (String, Option<String>, Vec<i64>);

/// One round through all old records.
struct Round {
    days: i32,
    /// By a hash of component and run, whether a run is skipped: runs with a failed step, and those that took more than one
    /// query to check. They come up again with each page of old records.
    is_skipped: HashMap<u64, bool>,
    hasher: RandomState,
}

pub struct Retention {
    maintenance: Arc<Pool>,
    counts: Arc<Counts>,
}

impl Retention {
    pub fn new(maintenance: &Arc<Pool>, counts: &Arc<Counts>) -> Self {
        Self { maintenance: maintenance.clone(), counts: counts.clone() }
    }

    /// Deletes records that are older than this many days, and the histories of deleted records, forever.
    pub async fn delete_old_records(self: Arc<Self>, days: u32) {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        loop {
            let mut round = Round { days, is_skipped: HashMap::new(), hasher: RandomState::new() };
            let deleted = async {
                // Again for the next part of a large unit.
                while self.delete_units(&mut round).await? > 0 {}
                self.repeat(sql!("history_delete_old"), &[&days]).await
            };
            match deleted.await {
                Ok(()) => sleep(RECORDS_PAUSE).await,
                Err(error) => {
                    self.counts.retention_failures.add(1);
                    tracing::warn!(error = %error.to_error(), "old records cannot be deleted; retrying");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Deletes events from which no subscriber can continue any more, forever.
    pub async fn delete_old_events(self: Arc<Self>) {
        loop {
            if let Err(error) = self.repeat(sql!("events_delete_old"), &[]).await {
                tracing::debug!(error = %error.to_error(), "old events cannot be deleted; retrying");
            }
            sleep(EVENTS_PAUSE).await;
        }
    }

    /// Runs a query until it deletes nothing.
    async fn repeat(&self, sql: &str, parameters: Parameters<'_>) -> Result<(), QueryError> {
        loop {
            let began = Instant::now();
            let rows = self.maintenance.query(sql, parameters).await?;
            if rows::value::<i64>(&rows)? == Some(0) {
                return Ok(());
            }
            sleep(began.elapsed() * PAUSE).await;
        }
    }

    /// Goes through all old records once. Returns how many were deleted.
    async fn delete_units(&self, round: &mut Round) -> Result<u64, QueryError> {
        let (mut reached, mut all) = (BEGINNING, 0);
        loop {
            let rows = self.maintenance.read(sql!("records_old"), &[&round.days, &reached.0, &reached.1]).await?;
            let last = rows::first(&rows, |row| Ok((row.try_get("recorded_at")?, row.try_get("last_id")?)))?;
            let Some(last) = last else { break };
            reached = last;
            let units: Vec<Unit> =
                rows::all(&rows, |row| Ok((row.try_get("component")?, row.try_get("run")?, row.try_get("ids")?)))?;
            for (component, run, ids) in units {
                match self.delete_unit(round, &component, run.as_deref(), &ids).await {
                    Ok(count) => all += u64::from(count),
                    Err(
                        error @ (QueryError::Unreachable(_) | QueryError::StaleConnection(_) | QueryError::Lost(_)),
                    ) => return Err(error),
                    // A unit that cannot be deleted does not keep the others from being deleted.
                    Err(error) => {
                        self.counts.retention_failures.add(1);
                        let error = error.to_error();
                        tracing::warn!(component, run, ids = ids.len(), %error, "old records cannot be deleted yet");
                        if let Some(run) = run {
                            round.is_skipped.insert(round.hasher.hash_one((component, run)), true);
                        }
                        sleep(FAILURE_PAUSE).await;
                    }
                }
            }
        }
        if all > 0 {
            tracing::info!("deleted {all} records older than {} days", round.days);
        }
        Ok(all)
    }

    /// Deletes a part of one unit. Returns how many records were deleted.
    async fn delete_unit(
        &self,
        round: &mut Round,
        component: &str,
        run: Option<&str>,
        ids: &[i64],
    ) -> Result<u32, QueryError> {
        if let Some(run) = run
            && self.must_stay(round, component, run).await?
        {
            return Ok(0);
        }
        let began = Instant::now();
        let parameters: Parameters = &[&round.days, &component, &run, &ids];
        let rows = self.maintenance.call(began + STEP_TIMEOUT, sql!("records_delete_old"), parameters).await?;
        let count = rows::value::<i32>(&rows)?.unwrap_or_default().unsigned_abs();
        self.counts.deleted.add(count.into());
        sleep((began.elapsed() * PAUSE).max(PAUSE_PER_RECORD * count)).await;
        Ok(count)
    }

    /// Whether a run must stay as a whole. Reads it page by page without a lock, as its records are old and seldom change.
    async fn must_stay(&self, round: &mut Round, component: &str, run: &str) -> Result<bool, QueryError> {
        let key = round.hasher.hash_one((component, run));
        if let Some(is_skipped) = round.is_skipped.get(&key) {
            return Ok(*is_skipped);
        }
        let (mut reached, mut pages) = (BEGINNING, 0);
        let must_stay = loop {
            let parameters: Parameters = &[&round.days, &component, &run, &reached.0, &reached.1];
            let rows = self.maintenance.read(sql!("run_must_stay"), parameters).await?;
            let page = rows::first(&rows, |row| {
                let last: (DateTime<Utc>, i64) = (row.try_get("recorded_at")?, row.try_get("last_id")?);
                Ok((last, row.try_get::<_, bool>("must_stay")?, row.try_get::<_, i64>("records")?))
            })?;
            let Some((last, must_stay, records)) = page else { break false };
            reached = last;
            pages += 1;
            if must_stay || records < CHECKED {
                break must_stay;
            }
        };
        if pages > 1 {
            round.is_skipped.insert(key, must_stay);
        }
        Ok(must_stay)
    }
}
