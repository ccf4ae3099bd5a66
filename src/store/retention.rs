//! What is kept no longer.
//!
//! No lane is held: a record that is written meanwhile finds its neighbours as they were or without what goes, and what
//! goes changes no duration of what stays.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};
use tokio_postgres::types::ToSql;

use super::{Inner, Store, attempts::again, connections::Failure, rows};

/// How often it is looked what has become old.
const LOOK: Duration = Duration::from_secs(3600);
/// How soon again where the database did not answer.
const RETRY: Duration = Duration::from_secs(60);
/// A step is followed by a pause of so many times its length, for those who write.
const PAUSE: u32 = 3;
/// And by so much for each record that went: every reader of events is told.
const PAUSE_A_RECORD: Duration = Duration::from_millis(1);
/// As many as `sql/histories_forget.sql` forgets at once.
const HISTORIES: i64 = 100;

/// Forgets what was recorded, and happened, so many days ago, for ever.
pub async fn forget_records(store: Store, days: u32) {
    let days = i32::try_from(days).unwrap_or(i32::MAX);
    loop {
        let forgotten = forget(&store.inner, days).await;
        if let Err(failure) = &forgotten {
            tracing::warn!(error = %failure.share(), "old records are not forgotten yet");
        }
        sleep(if forgotten.is_ok() { LOOK } else { RETRY }).await;
    }
}

async fn forget(inner: &Inner, days: i32) -> Result<(), Failure> {
    // Of what is large the next part, and what somebody held.
    while forget_in_order(inner, days).await? > 0 {}
    let sql = include_str!("../../sql/histories_forget.sql");
    let parameters: [&(dyn ToSql + Sync); 1] = [&days];
    loop {
        let began = Instant::now();
        let rows = again(|| inner.by_key.query(sql, &parameters)).await?;
        let count: Option<i64> = rows.first().map(|row| rows::column(row, 0)).transpose().map_err(Failure::Broken)?;
        if count < Some(HISTORIES) {
            return Ok(());
        }
        sleep(began.elapsed() * PAUSE).await;
    }
}

/// Looks once at all that was recorded so long ago. Answers how many went.
async fn forget_in_order(inner: &Inner, days: i32) -> Result<u64, Failure> {
    let sql = include_str!("../../sql/records_forget.sql");
    let (mut reached, mut all) = ((DateTime::<Utc>::UNIX_EPOCH, 0_i64), 0);
    loop {
        let began = Instant::now();
        let parameters: [&(dyn ToSql + Sync); 3] = [&days, &reached.0, &reached.1];
        let rows = again(|| inner.by_key.query(sql, &parameters)).await?;
        let Some(row) = rows.first() else { break };
        let column = |index| rows::column::<i64>(row, index).map_err(Failure::Broken);
        reached = (rows::column(row, 0).map_err(Failure::Broken)?, column(1)?);
        let count = u32::try_from(column(2)?).unwrap_or_default();
        inner.counts.forgotten(count.into());
        all += u64::from(count);
        sleep((began.elapsed() * PAUSE).max(PAUSE_A_RECORD * count)).await;
    }
    if all > 0 {
        tracing::info!("{all} records older than {days} days are forgotten");
    }
    Ok(all)
}
