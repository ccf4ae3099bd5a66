//! Records by id, the list of records, and their histories.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio_postgres::Row;

use crate::database::{Pool, QueryError};
use crate::domain::cursor::RecordCursor;
use crate::domain::event::Kind;
use crate::domain::filter::Filter;
use crate::domain::history::Entry;
use crate::domain::record::{Phase, Record};
use crate::error::{Cause, Error};
use crate::store::batcher::{Batcher, GroupLimits};
use crate::store::counts::Counts;
use crate::store::rows::{self, sql};

const GROUPS: GroupLimits = GroupLimits { in_flight: 2, most: 64, least: 1, queue: 4096 };

pub struct Records {
    batcher: Batcher<ReadJob>,
    keys: Arc<Pool>,
    lists: Arc<Pool>,
    counts: Arc<Counts>,
}

struct ReadJob {
    id: i64,
    result: oneshot::Sender<Result<Record, Error>>,
}

impl Records {
    /// Starts the batcher of reads by id.
    pub fn start(keys: &Arc<Pool>, lists: &Arc<Pool>, counts: &Arc<Counts>) -> Self {
        let shared = keys.clone();
        Self {
            batcher: Batcher::start(GROUPS, move |jobs| read_group(shared.clone(), jobs)),
            keys: keys.clone(),
            lists: lists.clone(),
            counts: counts.clone(),
        }
    }

    /// One record. Includes every write that was acknowledged before.
    pub async fn read(&self, id: i64) -> Result<Record, Error> {
        let _waiting = self.counts.reading.enter();
        let (result, completed) = oneshot::channel();
        self.batcher.push(ReadJob { id, result })?;
        completed.await.unwrap_or_else(|_| Err(Error::Internal("a read was dropped".into())))
    }

    /// Records that match the filter, newest first.
    pub async fn list(&self, filter: &Filter, after: Option<RecordCursor>, count: i64) -> Result<Vec<Record>, Error> {
        let phase = filter.implied_phase().map(Phase::name);
        let (recorded_at, id) = after.map(|cursor| (cursor.recorded_at, cursor.id)).unzip();
        let parameters = rows::filtered(filter, &phase, &[&recorded_at, &id, &count]);
        Ok(rows::all(&self.lists.read(sql!("records_page"), &parameters).await?, rows::record)?)
    }

    /// Entries of a record's history before a time, newest first. Deleted records have one, too. Fails with `NotFound`
    /// if there never was such a record.
    pub async fn history(&self, id: i64, before: Option<DateTime<Utc>>, count: i64) -> Result<Vec<Entry>, Error> {
        let rows = self.keys.read(sql!("history_page"), &[&id, &before, &count]).await?;
        if rows.is_empty() {
            return Err(Error::NotFound);
        }
        Ok(rows::all(&rows, entry)?.into_iter().flatten().collect())
    }
}

async fn read_group(keys: Arc<Pool>, jobs: Vec<ReadJob>) {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let all = rows::records_by_id(&keys, &ids).await;
    let is_separate = jobs.len() > 1 && matches!(all, Err(QueryError::Failed(_)));
    for job in jobs {
        // The group failed because of one record, so each is read separately.
        let alone = if is_separate { Some(rows::records_by_id(&keys, &[job.id]).await) } else { None };
        let result = match alone.as_ref().unwrap_or(&all) {
            Ok(records) => records.get(&job.id).cloned().ok_or(Error::NotFound),
            Err(error) => Err(error.to_error()),
        };
        // Fails only if the client has disconnected.
        let _ = job.result.send(result);
    }
}

/// `None` for a row of nulls: the record exists, but has no (further) entries.
fn entry(row: &Row) -> Result<Option<Entry>, Cause> {
    let Some(at) = row.try_get("at")? else { return Ok(None) };
    let change = row.try_get("change")?;
    let change = Kind::named(change).ok_or_else(|| format!("unknown change {change}"))?;
    Ok(Some(Entry { at, by: row.try_get("by")?, change, was: rows::record(row)? }))
}
