//! New records: one call of `sql/records_write.sql`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::database::{DeployDigest, Parameters, Pipeline, Pool, QueryError};
use crate::domain::record::{NewRecord, Phase, Record};
use crate::error::Cause;
use crate::store::counts::Counts;
use crate::store::rows::{self, array, sql};

/// A record as it was sent, with its idempotency key.
#[derive(Debug)]
pub struct Delivery {
    pub record: NewRecord,
    pub key: Option<String>,
}

/// Deliveries whose key belongs to a record with other content: the index of each delivery, and the fields in which it
/// differs from the record as it is now.
pub type Reused = Vec<(usize, Vec<&'static str>)>;

/// New records, one line each. Deliveries that share a key share a line.
pub struct Insert<'a> {
    lines: Vec<Line<'a>>,
    /// The line of every delivery.
    line_of: Vec<usize>,
    /// Deliveries whose key has other content in an earlier delivery of the same call.
    pub reused: Reused,
}

struct Line<'a> {
    record: &'a NewRecord,
    delivery: usize,
    key: Option<&'a str>,
    content: Option<[u8; 16]>,
}

/// The result of one delivery.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub id: i64,
    /// `None` if the record existed before.
    pub new: Option<Addition>,
}

/// What the database adds to a new record.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    start_id: Option<i64>,
    paired_start: Option<DateTime<Utc>>,
    stamp: DateTime<Utc>,
}

/// The result of one call.
pub enum Inserted {
    /// In the order of the deliveries.
    Written(Vec<Written>),
    /// Nothing is written: the deliveries whose key belongs to a record with other content, and the record's id.
    Reused(Vec<(usize, i64)>),
}

/// How a call is sent.
pub enum Way<'w> {
    /// On a shared connection, without waiting for earlier calls.
    Grouped(&'w Pipeline),
    /// As an import. The database executes one import at a time.
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

    /// Calls the database once and counts the new records.
    pub async fn run(&self, way: Way<'_>, deadline: Instant, counts: &Counts) -> Result<Inserted, QueryError> {
        let parameters: Parameters = &[
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
            &self.any(|line| line.record.waited_seconds()),
            &self.any(|line| line.record.started_at),
            &self.any(|line| line.record.finished_at),
            &self.any(|line| line.key),
            &self.any(|line| line.content.as_ref().map(<[u8; 16]>::as_slice)),
            &self.every(|line| DeployDigest(line.record.deploy_digest())),
        ];
        let rows = match way {
            Way::Grouped(pipeline) => pipeline.query_pipelined(deadline, sql!("records_write"), parameters).await?,
            Way::Import(pool) => pool.call(deadline, sql!("records_write"), parameters).await?,
        };
        // An unreadable result is `Lost`, not `Failed`: the call is committed and must not be repeated.
        let row = rows.first().ok_or_else(|| QueryError::Lost("a write returned no row".into()))?;
        self.inserted(row, counts).map_err(QueryError::Lost)
    }

    fn every<T>(&'a self, field: impl Fn(&'a Line<'a>) -> T) -> Vec<T> {
        self.lines.iter().map(field).collect()
    }

    /// `None` if no line has the field: this spares the database an array of nulls.
    fn any<T>(&'a self, field: impl Fn(&'a Line<'a>) -> Option<T>) -> Option<Vec<Option<T>>> {
        let has_any = self.lines.iter().any(|line| field(line).is_some());
        has_any.then(|| self.every(field))
    }

    fn inserted(&self, row: &Row, counts: &Counts) -> Result<Inserted, Cause> {
        let stamp = row.try_get("stamp")?;
        let mut written = vec![None; self.lines.len()];
        let mut reused = Vec::new();
        let known = array(row, "first_ids")?.into_iter().zip(array::<Option<bool>>(row, "are_same")?);
        for ((line, written), known) in self.lines.iter().zip(&mut written).zip(known) {
            let (Some(id), Some(is_same)) = known else { continue };
            *written = Some(Written { id, new: None });
            if !is_same {
                reused.push((line.delivery, id));
            }
        }
        if !reused.is_empty() {
            return Ok(Inserted::Reused(reused));
        }
        let starts = array(row, "start_ids")?.into_iter().zip(array(row, "taken_starts")?);
        let new = array::<i64>(row, "lines")?.into_iter().zip(array(row, "ids")?).zip(starts);
        for ((line, id), (start_id, paired_start)) in new {
            let line = usize::try_from(line - 1)?;
            counts.recorded[self.lines.get(line).ok_or("no such line")?.record.phase as usize].add(1);
            written[line] = Some(Written { id, new: Some(Addition { start_id, paired_start, stamp }) });
        }
        let deliveries = self.line_of.iter().enumerate().map(|(delivery, &line)| {
            let Written { id, new } = written[line]?;
            Some(Written { id, new: new.filter(|_| self.lines[line].delivery == delivery) })
        });
        Ok(Inserted::Written(deliveries.collect::<Option<_>>().ok_or("a write returned no id for a record")?))
    }
}

/// The fields in which deliveries differ from the records that have their keys.
pub async fn differences(
    keys: &Pool,
    deliveries: &[&Delivery],
    reused: Vec<(usize, i64)>,
) -> Result<Reused, QueryError> {
    let ids: Vec<_> = reused.iter().map(|(_, id)| *id).collect();
    let records = rows::records_by_id(keys, &ids).await?;
    let differences = reused.into_iter().map(|(delivery, id)| {
        // No fields if the record was deleted since: the client is told that it was changed.
        let fields = records.get(&id).map(|record| record.differences(&deliveries[delivery].record));
        (delivery, fields.unwrap_or_default())
    });
    Ok(differences.collect())
}

impl Addition {
    /// The whole record. The stamp is the moment of a clock record that was sent without one.
    pub fn to(self, id: i64, fields: NewRecord) -> Record {
        let started_at = match fields.phase {
            Phase::Started => fields.started_at.or(Some(self.stamp)),
            _ => fields.started_at.or(self.paired_start),
        };
        let finished_at = fields.finished_at.or(fields.phase.stops().then_some(self.stamp));
        Record {
            id,
            fields: NewRecord { started_at, finished_at, ..fields },
            start_id: self.start_id,
            recorded_at: self.stamp,
            updated_at: self.stamp,
        }
    }
}
