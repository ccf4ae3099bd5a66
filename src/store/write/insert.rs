//! What one call of `sql/records_write.sql` is given and answers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_postgres::{Row, types::ToSql};

use super::{Delivery, Reused};
use crate::{
    database::{DeployDigest, Pipeline, Pool, QueryError},
    domain::record::{NewRecord, Phase, Record},
    error::Cause,
    store::{read, rows::column},
};

/// New records, one line each. A key that comes twice is one line.
pub struct Insert<'a> {
    lines: Vec<Line<'a>>,
    /// The line of every delivery.
    line_of: Vec<usize>,
    /// Deliveries whose key an earlier one of the same call has with other content.
    pub reused: Reused,
}

struct Line<'a> {
    record: &'a NewRecord,
    delivery: usize,
    key: Option<&'a str>,
    content: Option<[u8; 16]>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug)]
pub enum Written {
    /// It is recorded, with what the database adds to it.
    New(Addition),
    /// Its key has the record with this id.
    Replay(i64),
}

/// What the database adds to a new record.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    id: i64,
    start_id: Option<i64>,
    taken_start: Option<DateTime<Utc>>,
    stamp: DateTime<Utc>,
}

/// What one call answers.
pub enum Inserted {
    /// In the order of the deliveries.
    Written(Vec<Written>),
    /// Nothing is written: the deliveries whose key has a record with other content, and its id.
    Reused(Vec<(usize, i64)>),
}

/// How a call is sent.
pub enum Way<'w> {
    /// Behind other groups on their connection.
    Grouped(&'w Pipeline),
    /// As an import, one at a time in the database.
    Import(&'w Pool),
}

impl<'a> Insert<'a> {
    pub fn new(deliveries: &[&'a Delivery]) -> Self {
        let mut insert = Self { lines: Vec::new(), line_of: Vec::with_capacity(deliveries.len()), reused: Vec::new() };
        let mut lines_of_keys = HashMap::new();
        for (delivery, &Delivery { record, key }) in deliveries.iter().enumerate() {
            let line = insert.lines.len();
            let key = key.as_deref();
            let first = key.map_or(line, |key| *lines_of_keys.entry((&record.component, key)).or_insert(line));
            insert.line_of.push(first);
            if first == line {
                let content = key.map(|_| record.content_digest());
                insert.lines.push(Line { record, delivery, key, content });
            } else if *record != *insert.lines[first].record {
                insert.reused.push((delivery, record.differences(insert.lines[first].record)));
            }
        }
        insert
    }
    /// Calls the database once.
    pub async fn run(&self, way: Way<'_>, deadline: Instant) -> Result<Inserted, QueryError> {
        let sql = include_str!("../../../sql/records_write.sql");
        let parameters: [&(dyn ToSql + Sync); 18] = [
            &matches!(way, Way::Import(_)),
            &self.every(|line| line.record.component.as_str()),
            &self.every(|line| line.record.version.as_str()),
            &self.every(|line| line.record.owner.as_str()),
            &self.every(|line| line.record.status.as_str()),
            &self.every(|line| line.record.phase.name()),
            &self.any(|line| line.record.environment.as_deref()),
            &self.any(|line| line.record.run.as_deref()),
            &self.any(|line| line.record.stage.as_deref()),
            &self.any(|line| line.record.url.as_deref()),
            &self.any(|line| line.record.commit.as_deref()),
            &self.any(|line| line.record.committed_at),
            &self.any(|line| line.record.unplanned),
            &self.any(|line| line.record.started_at),
            &self.any(|line| line.record.finished_at),
            &self.any(|line| line.key),
            &self.any(|line| line.content.as_ref().map(<[u8; 16]>::as_slice)),
            &self.every(|line| DeployDigest(line.record.deploy_digest())),
        ];
        let rows = match way {
            Way::Grouped(pipeline) => pipeline.query_pipelined(deadline, sql, &parameters).await?,
            Way::Import(pool) => pool.call(deadline, sql, &parameters).await?,
        };
        // Committed, so it must not be tried again.
        let row = rows.first().ok_or_else(|| QueryError::Lost("a write without an answer".into()))?;
        self.inserted(row).map_err(QueryError::Lost)
    }

    fn every<T>(&'a self, field: impl Fn(&'a Line<'a>) -> T) -> Vec<T> {
        self.lines.iter().map(field).collect()
    }

    /// Nothing if no line has it, which spares the database an element for each.
    fn any<T>(&'a self, field: impl Fn(&'a Line<'a>) -> Option<T>) -> Option<Vec<Option<T>>> {
        let has_any = self.lines.iter().any(|line| field(line).is_some());
        has_any.then(|| self.every(field))
    }

    fn inserted(&self, row: &Row) -> Result<Inserted, Cause> {
        let stamp = column(row, 0)?;
        let mut written = vec![None; self.lines.len()];
        let mut reused = Vec::new();
        let first_ids: Option<Vec<Option<i64>>> = column(row, 1)?;
        let are_same: Option<Vec<Option<bool>>> = column(row, 2)?;
        let known = first_ids.unwrap_or_default().into_iter().zip(are_same.unwrap_or_default());
        for ((line, written), known) in self.lines.iter().zip(&mut written).zip(known) {
            let (Some(id), Some(is_same)) = known else { continue };
            *written = Some(Written::Replay(id));
            if !is_same {
                reused.push((line.delivery, id));
            }
        }
        if !reused.is_empty() {
            return Ok(Inserted::Reused(reused));
        }
        let lines: Option<Vec<i64>> = column(row, 3)?;
        let ids: Option<Vec<i64>> = column(row, 4)?;
        let start_ids: Option<Vec<Option<i64>>> = column(row, 5)?;
        let taken_starts: Option<Vec<Option<DateTime<Utc>>>> = column(row, 6)?;
        let starts = start_ids.unwrap_or_default().into_iter().zip(taken_starts.unwrap_or_default());
        let new = lines.unwrap_or_default().into_iter().zip(ids.unwrap_or_default()).zip(starts);
        for ((line, id), (start_id, taken_start)) in new {
            let written =
                usize::try_from(line - 1).ok().and_then(|line| written.get_mut(line)).ok_or("no such line")?;
            *written = Some(Written::New(Addition { id, start_id, taken_start, stamp }));
        }
        let deliveries = self.line_of.iter().enumerate().map(|(delivery, &line)| {
            Some(match written[line]? {
                Written::New(addition) if self.lines[line].delivery != delivery => Written::Replay(addition.id),
                written => written,
            })
        });
        Ok(Inserted::Written(deliveries.collect::<Option<_>>().ok_or("a record was written without an answer")?))
    }
}

/// The fields in which deliveries differ from the records that have their keys.
pub async fn differences(
    keys: &Pool,
    deliveries: &[&Delivery],
    reused: Vec<(usize, i64)>,
) -> Result<Reused, QueryError> {
    let ids: Vec<_> = reused.iter().map(|(_, id)| *id).collect();
    let standing = read::records_by_id(keys, &ids).await?;
    let differences = reused.into_iter().map(|(delivery, id)| {
        // One that was deleted meanwhile is like one that was changed since.
        let fields = standing.get(&id).map(|record| record.differences(&deliveries[delivery].record));
        (delivery, fields.unwrap_or_default())
    });
    Ok(differences.collect())
}

impl Written {
    pub fn id(self) -> i64 {
        match self {
            Self::New(Addition { id, .. }) | Self::Replay(id) => id,
        }
    }
}

impl Addition {
    /// The whole record. What has no time of its own gets the stamp where its phase needs one.
    pub fn to(self, fields: NewRecord) -> Record {
        let started_at = match fields.phase {
            Phase::Started => fields.started_at.or(Some(self.stamp)),
            _ => fields.started_at.or(self.taken_start),
        };
        let finished_at = fields.finished_at.or(fields.phase.stops().then_some(self.stamp));
        Record {
            id: self.id,
            fields: NewRecord { started_at, finished_at, ..fields },
            start_id: self.start_id,
            recorded_at: self.stamp,
            updated_at: self.stamp,
        }
    }
}
