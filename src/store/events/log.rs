//! The log of events in the database.
//!
//! Every write logs its events under a number that it draws while it holds the records. A transaction that drew a lower
//! number can commit later. So events are read up to a number only after all transactions have ended that may have drawn
//! a number up to it.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_postgres::Row;

use crate::database::{Pool, QueryError};
use crate::domain::event::{Event, Kind, Position};
use crate::error::Cause;
use crate::store::rows::{self, sql};

/// The first and the longest pause while earlier transactions are in flight.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(100)];

/// Events read by one query. The longest ones fill less than a subscriber's queue.
const PAGE: i64 = 200;

pub struct EventLog(pub Arc<Pool>);

impl EventLog {
    /// The position after the last event. Events up to there can still be uncommitted.
    pub async fn end(&self) -> Result<Position, QueryError> {
        let rows = self.0.read(sql!("event_last"), &[]).await?;
        Ok(Position::after(rows::value(&rows)?.unwrap_or_default()))
    }

    /// Waits until all events are committed whose numbers were drawn before this call.
    pub async fn settle(&self) -> Result<(), QueryError> {
        let rows = self.0.read(sql!("event_barrier"), &[]).await?;
        let barrier: Option<String> = rows::value(&rows)?;
        let [mut pause, longest] = PAUSES;
        while rows::value(&self.0.read(sql!("events_are_settled"), &[&barrier]).await?)? != Some(true) {
            sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
        Ok(())
    }

    /// A page of events after one position up to another, and the position reached. All events up to there must be settled.
    pub async fn events(&self, after: Position, until: Position) -> Result<(Vec<Event>, Position), QueryError> {
        let (number, index) = (until.number, until.index);
        let rows = self.0.read(sql!("events_since"), &[&after.number, &after.index, &number, &index, &PAGE]).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
        let reached = rows.last().filter(|_| is_full).map(position).transpose().map_err(QueryError::Failed)?;
        Ok((rows::all(&rows, event)?.into_iter().flatten().collect(), reached.unwrap_or(until)))
    }

    /// Whether all events after a position are still stored. False for a position in the future.
    pub async fn is_retained(&self, position: Position) -> Result<bool, QueryError> {
        let rows = self.0.read(sql!("events_retained"), &[]).await?;
        let range = rows::first(&rows, |row| Ok((row.try_get("first")?, row.try_get("last")?)))?;
        let Some((Some(first), last)) = range else { return Ok(false) };
        Ok(position.number >= first && position <= Position::after(last))
    }
}

fn position(row: &Row) -> Result<Position, Cause> {
    Ok(Position { number: row.try_get("number")?, index: row.try_get("ordinal")? })
}

/// `None` if the record is gone without an event.
fn event(row: &Row) -> Result<Option<Event>, Cause> {
    if row.try_get::<_, Option<i64>>(0)?.is_none() {
        return Ok(None);
    }
    let kind = row.try_get("event")?;
    let kind = Kind::named(kind).ok_or_else(|| format!("unknown event {kind}"))?;
    let before = (kind == Kind::Changed).then(|| rows::record_at(row, rows::WIDTH)).transpose()?;
    Ok(Some(Event { position: position(row)?, kind, record: rows::record(row)?, before }))
}
