//! Records by id, lists of records, and their histories.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use tokio_postgres::Row;

use crate::database::{Pool, QueryError};
use crate::domain::cursor::RecordCursor;
use crate::domain::event::Kind;
use crate::domain::filter::Filter;
use crate::domain::history::Entry;
use crate::domain::key::Key;
use crate::domain::record::Record;
use crate::error::{Cause, Error};
use crate::store::batcher::{Batcher, GroupLimits};
use crate::store::counts::Counts;
use crate::store::read::lists::Lists;
use crate::store::rows::{self, owned, sql};

const GROUPS: GroupLimits = GroupLimits { in_flight: 2, most: 64, least: 1, queue: 4096 };

pub struct Records {
    batcher: Batcher<ReadJob>,
    keys: Arc<Pool>,
    counts: Arc<Counts>,
}

struct ReadJob {
    id: i64,
    result: oneshot::Sender<Result<Record, Error>>,
}

impl Records {
    /// Starts the batcher of reads by id.
    pub fn start(keys: &Arc<Pool>, counts: &Arc<Counts>) -> Self {
        let shared = keys.clone();
        Self {
            batcher: Batcher::start(GROUPS, move |jobs| read_group(shared.clone(), jobs)),
            keys: keys.clone(),
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

    /// The entries of a record's history before a time, newest first. Deleted records have one, too. Fails with
    /// `NotFound` if there never was such a record.
    pub async fn history(
        &self,
        id: i64,
        before: Option<DateTime<Utc>>,
        count: i64,
    ) -> Result<Vec<Key<DateTime<Utc>>>, Error> {
        let rows = self.keys.read(sql!("history_page"), &[&id, &before, &count]).await?;
        if rows.is_empty() {
            return Err(Error::NotFound);
        }
        let entries = rows::all(&rows, |row| {
            let at: Option<_> = row.try_get("at")?;
            at.map(|at| rows::key(row, at)).transpose()
        })?;
        Ok(entries.into_iter().flatten().collect())
    }

    /// The entries of a record's history at these times, newest first.
    pub async fn entries(&self, id: i64, at: &[DateTime<Utc>]) -> Result<Vec<Entry>, Error> {
        Ok(rows::all(&self.keys.read(sql!("history_entries"), &[&id, &at]).await?, entry)?)
    }
}

impl Lists {
    /// Records that match the filter, newest first.
    pub async fn records(
        &self,
        filter: &Filter,
        after: Option<RecordCursor>,
        count: i64,
    ) -> Result<Vec<Key<RecordCursor>>, Error> {
        // Each of these filters has an index, but combined they can match little of much.
        let filters = [&filter.owner, &filter.environment, &filter.stage].into_iter().flatten().count();
        let has_index = filters <= 1 && filter.implied_phase().is_none();
        let mut parameters = rows::filter(filter);
        let (recorded_at, id) = after.map(|cursor| (cursor.recorded_at, cursor.id)).unzip();
        parameters.extend(owned![recorded_at, id, count]);
        let rows = self.find(filter, has_index, sql!("records_page"), parameters).await?;
        Ok(rows::all(&rows, |row| {
            rows::key(row, RecordCursor { recorded_at: row.try_get("recorded_at")?, id: row.try_get("id")? })
        })?)
    }

    /// The records with these keys, in their order. Those that were deleted since are left out.
    pub async fn read_records(&self, keys: &[RecordCursor]) -> Result<Vec<Record>, Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let mut records = rows::records_by_id(self.pool(), &ids).await?;
        Ok(ids.iter().filter_map(|id| records.remove(id)).collect())
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

fn entry(row: &Row) -> Result<Entry, Cause> {
    let change = row.try_get("change")?;
    let change = Kind::named(change).ok_or_else(|| format!("unknown change {change}"))?;
    Ok(Entry { at: row.try_get("at")?, by: row.try_get("by")?, change, was: rows::record(row)? })
}
