//! What one run of `sql/records_write.sql` is given and answers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{
    Delivery, Reused,
    connections::{Connections, Failure},
    rows,
};
use crate::{
    error::Cause,
    record::{NewRecord, Record},
};

/// Records to stand, records to be replaced or removed, and second looks to take.
#[derive(Default)]
pub struct Batch<'a> {
    /// In order: a line of the statement each.
    pub sent: Vec<Sent<'a>>,
    seen: Vec<(i64, &'a str, DateTime<Utc>)>,
    looks: i64,
}

/// A record to stand.
pub struct Sent<'a> {
    pub record: &'a NewRecord,
    delivery: usize,
    id: Option<i64>,
    key: Option<&'a str>,
    content: Option<[u8; 16]>,
}

/// What stands now for a record of the batch.
#[derive(Debug)]
pub struct Answer {
    pub record: Record,
    /// Counted from 1, where an earlier delivery under the same key stands.
    line: Option<i64>,
    /// Then: whether that was of the same content.
    pub same: Option<bool>,
}

impl<'a> Batch<'a> {
    /// New records. A key that comes twice is one record: the second answer is the line of every delivery, the third
    /// the deliveries whose key an earlier one of them used for other content.
    pub fn of_deliveries(deliveries: &[&'a Delivery]) -> (Self, Vec<usize>, Reused) {
        let mut batch = Self::default();
        let mut lines_of_keys = HashMap::new();
        let mut places = Vec::with_capacity(deliveries.len());
        let mut reused = Reused::new();
        for (delivery, &Delivery { record, key }) in deliveries.iter().enumerate() {
            let line = batch.sent.len();
            let key = key.as_deref();
            let first = key.map_or(line, |key| *lines_of_keys.entry((&record.component, key)).or_insert(line));
            places.push(first);
            if first == line {
                let content = key.map(|_| record.content_digest());
                batch.sent.push(Sent { record, delivery, id: None, key, content });
            } else if *record != *batch.sent[first].record {
                reused.push((delivery, record.differences(batch.sent[first].record)));
            }
        }
        (batch, places, reused)
    }

    /// A record changed, or removed where nothing is to stand.
    pub fn of_change(standing: &'a Record, edited: Option<&'a NewRecord>) -> Self {
        let sent = edited.map(|record| Sent { record, delivery: 0, id: Some(standing.id), key: None, content: None });
        Self {
            sent: sent.into_iter().collect(),
            seen: vec![(standing.id, &standing.said.component, standing.updated_at)],
            looks: 0,
        }
    }

    /// Second looks alone.
    pub fn of_second_looks(looks: i64) -> Self {
        Self { looks, ..Self::default() }
    }

    /// The deliveries whose key stands for other content.
    pub fn reused(&self, answers: &[Answer]) -> Reused {
        let others = answers.iter().filter(|answer| answer.same == Some(false));
        let mut reused: Reused = others
            .filter_map(|answer| {
                let sent = self.sent.get(usize::try_from(answer.line? - 1).ok()?)?;
                Some((sent.delivery, answer.record.differences(sent.record)))
            })
            .collect();
        reused.sort_unstable();
        reused
    }

    /// An answer for every line, none of them refused. New ids rise with the lines that no earlier delivery answers.
    pub fn by_line(&self, answers: Vec<Answer>) -> Result<Vec<Answer>, Failure> {
        let (mut new, mut known): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.line.is_none());
        new.sort_unstable_by_key(|answer| answer.record.id);
        known.sort_unstable_by_key(|answer| answer.line);
        let (mut new, mut known) = (new.into_iter(), known.into_iter().peekable());
        (1..)
            .zip(&self.sent)
            .map(|(line, _)| known.next_if(|answer| answer.line == Some(line)).or_else(|| new.next()))
            .collect::<Option<_>>()
            .ok_or_else(|| Failure::Broken("a record was written without an answer".into()))
    }

    /// Runs the statement once.
    pub async fn run(&self, connections: &Connections, replica: &str) -> Result<Vec<Row>, Failure> {
        fn each<'b, T>(sent: &'b [Sent], field: impl Fn(&'b Sent) -> T) -> Vec<T> {
            sent.iter().map(field).collect()
        }
        let sent = self.sent.as_slice();
        let (ids, (components, updates)): (Vec<_>, (Vec<_>, Vec<_>)) =
            self.seen.iter().map(|&(id, component, updated_at)| (id, (component, updated_at))).unzip();
        let sql = include_str!("../../sql/records_write.sql");
        connections
            .query(
                sql,
                &[
                    &each(sent, |s| s.id),
                    &each(sent, |s| &s.record.component),
                    &each(sent, |s| &s.record.version),
                    &each(sent, |s| &s.record.owner),
                    &each(sent, |s| &s.record.status),
                    &each(sent, |s| s.record.phase.name()),
                    &each(sent, |s| &s.record.environment),
                    &each(sent, |s| &s.record.run),
                    &each(sent, |s| &s.record.stage),
                    &each(sent, |s| &s.record.url),
                    &each(sent, |s| &s.record.commit),
                    &each(sent, |s| s.record.committed_at),
                    &each(sent, |s| s.record.unplanned),
                    &each(sent, |s| s.record.started_at),
                    &each(sent, |s| s.record.finished_at),
                    &each(sent, |s| s.key),
                    &each(sent, |s| s.content.as_ref().map(<[u8; 16]>::as_slice)),
                    &ids,
                    &components,
                    &updates,
                    &self.looks,
                    &replica,
                ],
            )
            .await
    }
}

impl Answer {
    /// Reads a row of the statement.
    pub fn from_row(row: &Row) -> Result<Self, Cause> {
        Ok(Self {
            record: rows::record(row)?,
            line: rows::column(row, rows::WIDTH)?,
            same: rows::column(row, rows::WIDTH + 1)?,
        })
    }
}
