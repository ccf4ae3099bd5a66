//! Deletes what is older than records are kept: one unit of records per transaction.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use super::rows::column;
use crate::{
    database::{Pool, QueryError},
    store::counts::Counts,
};

/// How often old records are looked for.
const LOOK: Duration = Duration::from_secs(3600);
/// How soon again after the database did not answer.
const RETRY: Duration = Duration::from_secs(60);
/// For one unit: writers of its component wait meanwhile.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Each step is followed by a pause of so many times its length, for those who write.
const PAUSE: u32 = 3;
/// And by so much for each record deleted: every reader of events is told.
const PAUSE_A_RECORD: Duration = Duration::from_millis(1);
/// As many as `sql/histories_forget.sql` deletes at once.
const HISTORIES: i64 = 100;

/// Deletes old records.
pub struct Retention {
    upkeep: Arc<Pool>,
    counts: Arc<Counts>,
}

impl Retention {
    /// Deletes nothing yet.
    pub fn new(upkeep: &Arc<Pool>, counts: &Arc<Counts>) -> Self {
        Self { upkeep: upkeep.clone(), counts: counts.clone() }
    }

    /// Deletes what was recorded, and happened, so many days ago, for ever.
    pub async fn run(self: Arc<Self>, days: u32) {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        loop {
            let forgotten = self.forget(days).await;
            if let Err(error) = &forgotten {
                tracing::warn!(error = %error.to_error(), "old records are not deleted yet");
            }
            sleep(if forgotten.is_ok() { LOOK } else { RETRY }).await;
        }
    }

    async fn forget(&self, days: i32) -> Result<(), QueryError> {
        // Again for the next part of what is large.
        while self.forget_records(days).await? > 0 {}
        loop {
            let began = Instant::now();
            let rows = self.upkeep.query(include_str!("../../sql/histories_forget.sql"), &[&days]).await?;
            let count = rows.first().map(|row| column::<i64>(row, 0)).transpose().map_err(QueryError::Failed)?;
            if count < Some(HISTORIES) {
                return Ok(());
            }
            sleep(began.elapsed() * PAUSE).await;
        }
    }

    /// Looks once at all that was recorded so long ago. Returns how many records were deleted.
    async fn forget_records(&self, days: i32) -> Result<u64, QueryError> {
        let (mut reached, mut all) = ((DateTime::<Utc>::UNIX_EPOCH, 0_i64), 0);
        loop {
            let sql = include_str!("../../sql/records_old.sql");
            let units = self.upkeep.read(sql, &[&days, &reached.0, &reached.1]).await?;
            let Some(last) = units.first() else { break };
            reached = (column(last, 4).map_err(QueryError::Failed)?, column(last, 5).map_err(QueryError::Failed)?);
            for unit in &units {
                let part = |index| column::<Option<&str>>(unit, index).map_err(QueryError::Failed);
                let (component, run, deploy) = (part(0)?, part(1)?, part(2)?);
                let id: Option<i64> = column(unit, 3).map_err(QueryError::Failed)?;
                let began = Instant::now();
                let sql = include_str!("../../sql/records_forget.sql");
                let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&days, &component, &run, &deploy, &id];
                let rows = match self.upkeep.call(began + TIMEOUT, sql, &parameters).await {
                    Ok(rows) => rows,
                    // One that cannot be deleted in time keeps no other from being deleted.
                    Err(error @ (QueryError::TimedOut | QueryError::Overloaded(_))) => {
                        let error = error.to_error();
                        tracing::warn!(component, run, deploy, id, %error, "old records are not deleted yet");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let count = rows.first().map_or(Ok(0), |row| column::<i32>(row, 0)).map_err(QueryError::Failed)?;
                let count = count.unsigned_abs();
                self.counts.forgotten(count.into());
                all += u64::from(count);
                sleep((began.elapsed() * PAUSE).max(PAUSE_A_RECORD * count)).await;
            }
        }
        if all > 0 {
            tracing::info!("{all} records older than {days} days were deleted");
        }
        Ok(all)
    }
}
