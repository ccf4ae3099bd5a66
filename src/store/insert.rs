//! What one run of `sql/records_insert.sql` is given and answers.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio_postgres::{Row, types::ToSql};

use super::{
    Delivery,
    connections::{Connections, Failure},
    digest::Digest,
    rows,
};
use crate::{
    error::Cause,
    record::{NewRecord, Record},
};

/// New records, a line each. A key that comes twice is one line.
pub struct Insert<'a> {
    lines: Vec<Line<'a>>,
    /// The line of every delivery.
    places: Vec<usize>,
    /// Deliveries whose key an earlier one used for other content, and the fields that differ.
    pub reused: super::Reused,
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
    /// An earlier delivery under its key stands: its record's id.
    Replay(i64),
}

/// What the database adds to a new record.
#[derive(Clone, Copy, Debug)]
pub struct Addition {
    pub id: i64,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    start_id: Option<i64>,
    recorded_at: DateTime<Utc>,
    /// Whether another record of its deploy comes after it.
    pub comes_before_another: bool,
}

/// What one run answers.
pub enum Outcome {
    /// In the order of the deliveries.
    Written(Vec<Written>),
    /// Nothing is written: the deliveries whose key stands for other content, and the record that has it.
    Reused(Vec<(usize, i64)>),
}

impl<'a> Insert<'a> {
    pub fn new(deliveries: &[&'a Delivery]) -> Self {
        let mut insert = Self { lines: Vec::new(), places: Vec::with_capacity(deliveries.len()), reused: Vec::new() };
        let mut lines_of_keys = HashMap::new();
        for (delivery, &Delivery { record, key }) in deliveries.iter().enumerate() {
            let line = insert.lines.len();
            let key = key.as_deref();
            let first = key.map_or(line, |key| *lines_of_keys.entry((&record.component, key)).or_insert(line));
            insert.places.push(first);
            if first == line {
                let content = key.map(|_| record.content_digest());
                insert.lines.push(Line { record, delivery, key, content });
            } else if *record != *insert.lines[first].record {
                insert.reused.push((delivery, record.differences(insert.lines[first].record)));
            }
        }
        insert
    }

    /// Runs the statement once: `in_line` with others of its size, or by itself.
    pub async fn run(&self, connections: &Connections, replica: &str, in_line: bool) -> Result<Outcome, Failure> {
        let sql = include_str!("../../sql/records_insert.sql");
        let parameters: [&(dyn ToSql + Sync); 18] = [
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
            &self.every(|line| Digest(line.record.deploy_digest())),
            &replica,
        ];
        let rows = if in_line {
            connections.query_in_line(sql, &parameters).await?
        } else {
            connections.query(sql, &parameters).await?
        };
        self.outcome(&rows).map_err(Failure::Broken)
    }

    fn every<T>(&'a self, field: impl Fn(&'a Line<'a>) -> T) -> Vec<T> {
        self.lines.iter().map(field).collect()
    }

    /// Nothing where no line has it, which spares the database an element for each.
    fn any<T>(&'a self, field: impl Fn(&'a Line<'a>) -> Option<T>) -> Option<Vec<Option<T>>> {
        let has_any = self.lines.iter().any(|line| field(line).is_some());
        has_any.then(|| self.every(field))
    }

    fn outcome(&self, rows: &[Row]) -> Result<Outcome, Cause> {
        let mut written = vec![None; self.lines.len()];
        let mut reused = Vec::new();
        for row in rows {
            let line: i64 = rows::column(row, 0)?;
            let line = usize::try_from(line - 1)?;
            let id = rows::column(row, 1)?;
            written[line] = Some(match rows::column(row, 7)? {
                None => Written::New(Addition {
                    id,
                    started_at: rows::column(row, 2)?,
                    finished_at: rows::column(row, 3)?,
                    start_id: rows::column(row, 4)?,
                    recorded_at: rows::column(row, 5)?,
                    comes_before_another: rows::column::<Option<bool>>(row, 6)?.unwrap_or_default(),
                }),
                Some(true) => Written::Replay(id),
                Some(false) => {
                    reused.push((self.lines[line].delivery, id));
                    Written::Replay(id)
                }
            });
        }
        if !reused.is_empty() {
            reused.sort_unstable();
            return Ok(Outcome::Reused(reused));
        }
        let deliveries = self.places.iter().enumerate().map(|(delivery, &line)| {
            let written = written[line]?;
            Some(match written {
                Written::New(addition) if self.lines[line].delivery != delivery => Written::Replay(addition.id),
                written => written,
            })
        });
        let written = deliveries.collect::<Option<_>>().ok_or("a record was written without an answer")?;
        Ok(Outcome::Written(written))
    }
}

impl Written {
    pub fn id(self) -> i64 {
        match self {
            Self::New(Addition { id, .. }) | Self::Replay(id) => id,
        }
    }
}

impl Addition {
    /// The whole record.
    pub fn to(self, said: NewRecord) -> Record {
        Record {
            id: self.id,
            said: NewRecord { started_at: self.started_at, finished_at: self.finished_at, ..said },
            start_id: self.start_id,
            recorded_at: self.recorded_at,
            updated_at: self.recorded_at,
        }
    }
}
