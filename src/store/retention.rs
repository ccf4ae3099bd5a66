//! Deletes old records, histories and events.
//!
//! Records are deleted one unit per transaction, because writers of its component wait meanwhile. A unit is a run, a deploy
//! without a run, or a record that belongs to neither.

use std::{sync::Arc, time::Duration};

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
/// For one unit.
const UNIT_TIMEOUT: Duration = Duration::from_secs(1);
/// Each deletion is followed by a pause of this many times its length, for the writers.
const PAUSE: u32 = 3;
/// The pause per deleted record is at least this long: each one is an event for every subscriber.
const PAUSE_PER_RECORD: Duration = Duration::from_millis(1);
/// The limit in `sql/history_delete_old.sql`.
const HISTORIES: i64 = 100;
/// The limit in `sql/events_delete_old.sql`.
const EVENTS: i64 = 10_000;

/// Component, run, deploy and id, as `sql/records_old.sql` returns them.
type Unit = (String, Option<String>, Option<String>, Option<i64>);

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
            let deleted = async {
                // Again for the next part of a large unit.
                while self.delete_units(days).await? > 0 {}
                self.repeat(sql!("history_delete_old"), &[&days], HISTORIES).await
            };
            match deleted.await {
                Ok(()) => sleep(RECORDS_PAUSE).await,
                Err(error) => {
                    tracing::warn!(error = %error.to_error(), "old records cannot be deleted; retrying");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Deletes events from which no subscriber can continue any more, forever.
    pub async fn delete_old_events(self: Arc<Self>) {
        loop {
            if let Err(error) = self.repeat(sql!("events_delete_old"), &[], EVENTS).await {
                tracing::debug!(error = %error.to_error(), "old events cannot be deleted; retrying");
            }
            sleep(EVENTS_PAUSE).await;
        }
    }

    /// Runs a query until it deletes less than its limit.
    async fn repeat(&self, sql: &str, parameters: Parameters<'_>, limit: i64) -> Result<(), QueryError> {
        loop {
            let began = Instant::now();
            let rows = self.maintenance.query(sql, parameters).await?;
            if rows::value::<i64>(&rows)? < Some(limit) {
                return Ok(());
            }
            sleep(began.elapsed() * PAUSE).await;
        }
    }

    /// Goes through all old records once. Returns how many were deleted.
    async fn delete_units(&self, days: i32) -> Result<u64, QueryError> {
        let (mut reached, mut all) = ((DateTime::<Utc>::UNIX_EPOCH, 0_i64), 0);
        loop {
            let rows = self.maintenance.read(sql!("records_old"), &[&days, &reached.0, &reached.1]).await?;
            let last = rows::first(&rows, |row| Ok((row.try_get("recorded_at")?, row.try_get("last_id")?)))?;
            let Some(last) = last else { break };
            reached = last;
            let units: Vec<Unit> = rows::all(&rows, |row| {
                Ok((row.try_get("component")?, row.try_get("run")?, row.try_get("deploy")?, row.try_get("id")?))
            })?;
            for (component, run, deploy, id) in units {
                let began = Instant::now();
                let parameters: Parameters = &[&days, &component, &run, &deploy, &id];
                let call = self.maintenance.call(began + UNIT_TIMEOUT, sql!("records_delete_old"), parameters);
                let rows = match call.await {
                    Ok(rows) => rows,
                    // A unit that cannot be deleted in time does not keep the others from being deleted.
                    Err(error @ (QueryError::TimedOut | QueryError::Overloaded(_))) => {
                        let error = error.to_error();
                        tracing::warn!(component, run, deploy, id, %error, "old records cannot be deleted yet");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let count = rows::value::<i32>(&rows)?.unwrap_or_default().unsigned_abs();
                self.counts.deleted.add(count.into());
                all += u64::from(count);
                sleep((began.elapsed() * PAUSE).max(PAUSE_PER_RECORD * count)).await;
            }
        }
        if all > 0 {
            tracing::info!("deleted {all} records older than {days} days");
        }
        Ok(all)
    }
}
