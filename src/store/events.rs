//! What happened, as the database keeps it.
//!
//! Every write logs what it did under a number that it draws while it holds the record. A transaction that draws a lower
//! number may end later; so what is read goes up to a number only once every transaction has ended that may have drawn
//! one till then.

mod feed;

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::{Row, types::ToSql};

use super::rows::{self, column};
use crate::{
    database::{Pool, QueryError},
    domain::event::{Event, Kind, Position},
    error::Cause,
};
use feed::Feed;
pub use feed::Hearing;

/// How often the old ones are forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// As many as `sql/events_forget.sql` forgets at once.
const FORGOTTEN: i64 = 10_000;
/// How long who waits for others waits between two looks, at first.
const LOOK: Duration = Duration::from_millis(5);
/// And after a while.
const LONG_LOOK: Duration = Duration::from_millis(100);

/// The log of events, and those who listen to it.
pub struct Events {
    /// Deletes old events.
    upkeep: Arc<Pool>,
    log: Log,
    feed: Arc<Feed>,
}

/// The log, as the database keeps it.
#[derive(Clone)]
struct Log(Arc<Pool>);

impl Events {
    /// Starts the feed. `wait` bounds how long a new listener waits for it.
    #[must_use]
    pub fn start(keys: &Arc<Pool>, upkeep: &Arc<Pool>, wait: Duration) -> Self {
        let log = Log(keys.clone());
        Self { upkeep: upkeep.clone(), feed: Feed::start(log.clone(), wait), log }
    }

    /// Deletes what is older than the hour in which a reader may come back, for ever.
    pub async fn forget(self: Arc<Self>) {
        let mut tick = interval(FORGET);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            loop {
                let sql = include_str!("../../sql/events_forget.sql");
                match self.upkeep.query(sql, &[]).await.and_then(|rows| number(&rows, 0)) {
                    Ok(Some(FORGOTTEN)) => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::debug!(error = %error.to_error(), "old events are not deleted yet");
                        break;
                    }
                }
            }
        }
    }
}

impl Log {
    /// The number of the last event that is logged, or about to be.
    async fn last_event(&self) -> Result<i64, QueryError> {
        let rows = self.0.read(include_str!("../../sql/event_last.sql"), &[]).await?;
        Ok(number(&rows, 0)?.unwrap_or_default())
    }

    /// Waits until everything is there that had drawn a number before this was called.
    async fn settle_events(&self) -> Result<(), QueryError> {
        let rows = self.0.read(include_str!("../../sql/event_barrier.sql"), &[]).await?;
        let barrier: String = rows.first().map(|row| column(row, 0)).transpose().map_err(failed)?.unwrap_or_default();
        let sql = include_str!("../../sql/events_are_settled.sql");
        let mut pause = LOOK;
        while !self.0.read(sql, &[&barrier]).await?.first().is_some_and(|row| row.try_get(0).unwrap_or_default()) {
            sleep(pause).await;
            pause = (pause * 2).min(LONG_LOOK);
        }
        Ok(())
    }

    /// At most so many events behind a position up to another, till which all are settled; and how far that is.
    async fn events(&self, after: Position, until: Position, most: i64) -> Result<(Vec<Event>, Position), QueryError> {
        let sql = include_str!("../../sql/events_since.sql");
        let parameters: [&(dyn ToSql + Sync); 5] = [&after.number, &after.place, &until.number, &until.place, &most];
        let rows = self.0.read(sql, &parameters).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == most);
        let reached = rows.last().filter(|_| is_full).map(position).transpose().map_err(failed)?;
        let events = rows.iter().filter_map(|row| event(row).transpose()).collect::<Result<_, _>>().map_err(failed)?;
        Ok((events, reached.unwrap_or(until)))
    }

    /// Whether all that lies behind a position is still there, and the position is none that is yet to come.
    async fn has_events_behind(&self, position: Position) -> Result<bool, QueryError> {
        let rows = self.0.read(include_str!("../../sql/events_kept.sql"), &[]).await?;
        let (first, last) = (number(&rows, 0)?, number(&rows, 1)?);
        Ok(first.is_some_and(|first| first <= position.number)
            && last.is_some_and(|last| position <= Position::behind(last)))
    }
}

fn failed(cause: Cause) -> QueryError {
    QueryError::Failed(cause)
}

fn number(rows: &[Row], index: usize) -> Result<Option<i64>, QueryError> {
    rows.first().map_or(Ok(None), |row| column(row, index)).map_err(failed)
}

fn position(row: &Row) -> Result<Position, Cause> {
    Ok(Position { number: column(row, 18)?, place: column(row, 19)? })
}

/// Nothing where the record went in a way that nobody logged.
fn event(row: &Row) -> Result<Option<Event>, Cause> {
    if column::<Option<i64>>(row, 0)?.is_none() {
        return Ok(None);
    }
    let kind: &str = column(row, 20)?;
    let kind = Kind::named(kind).ok_or_else(|| format!("unknown event {kind}"))?;
    let before = (kind == Kind::Changed).then(|| rows::record_from(row, 21)).transpose()?;
    Ok(Some(Event { position: position(row)?, kind, record: rows::record(row)?, before }))
}
