//! A record: its fields, its phase and its duration.

mod change;
mod draft;
mod new_record;
mod scalar;
mod seconds;
mod text;
mod time;
mod wire;

use chrono::{DateTime, Utc};

use super::named_enum::named_enum;

pub use draft::{Draft, FieldError, Given, KEY_RULE, Origin, idempotency_key};
pub use new_record::NewRecord;
pub use seconds::{millis, seconds};
pub use text::{is_blank, text};
pub use time::{format as format_time, parse as parse_time};
pub use wire::Cell;

named_enum! {
    /// What a status word means for the clock.
    pub enum Phase {
        /// Starts the clock.
        Started = "started",
        /// Stops the clock.
        Succeeded = "succeeded",
        /// Stops the clock.
        Failed = "failed",
        /// Stops the clock: somebody cancelled the deploy.
        Aborted = "aborted",
        /// Stops the clock without a result.
        Finished = "finished",
        /// Did not run, and is not counted.
        Skipped = "skipped",
        /// Any other word: does not affect the clock.
        Noted = "noted",
    }
}

impl Phase {
    /// The phase of a status word. Case, `-`, `_` and space do not matter.
    pub fn of_status(status: &str) -> Self {
        let word: String =
            status.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect();
        match word.as_str() {
            "start" | "started" | "starting" | "begin" | "begun" | "running" | "inprogress" | "executing"
            | "deploying" | "rollingout" => Self::Started,
            "success" | "succeeded" | "successful" | "ok" | "pass" | "passed" | "deployed" | "live" | "unstable" => {
                Self::Succeeded
            }
            "fail" | "failed" | "failure" | "error" | "errored" | "broken" | "timeout" | "timedout"
            | "rollbackfailed" => Self::Failed,
            "abort" | "aborted" | "cancel" | "canceled" | "cancelled" | "interrupted" | "killed" | "stopped"
            | "superseded" | "rejected" => Self::Aborted,
            "finished" | "done" | "complete" | "completed" | "ended" => Self::Finished,
            "skip" | "skipped" | "notbuilt" | "notexecuted" | "noop" => Self::Skipped,
            _ => Self::Noted,
        }
    }

    /// Whether it starts or stops the clock.
    pub fn is_clock(self) -> bool {
        self == Self::Started || self.stops()
    }

    pub fn stops(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Aborted | Self::Finished)
    }
}

/// A record as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// From 1 to 2⁵³−1. Ids are never reused, have gaps and do not follow the time.
    pub id: i64,
    /// What the sender set, with a stamped moment and a paired `started_at`.
    pub fields: NewRecord,
    /// The record that `started_at` comes from, unless the sender set it.
    pub start_id: Option<i64>,
    /// By the clock of the database.
    pub recorded_at: DateTime<Utc>,
    /// By the clock of the database.
    pub updated_at: DateTime<Utc>,
}

impl Record {
    /// `finished_at` − `started_at` in milliseconds, if the record stops the clock and has both in this order.
    pub fn duration_ms(&self) -> Option<i64> {
        let (started, finished) = (self.fields.started_at?, self.fields.finished_at?);
        let micros = (finished - started).num_microseconds()?;
        (self.fields.phase.stops() && micros >= 0).then_some((micros + 500) / 1000)
    }

    /// Why a record that stops the clock has no duration.
    pub fn duration_missing(&self) -> Option<&'static str> {
        if !self.fields.phase.stops() || self.duration_ms().is_some() {
            return None;
        }
        Some(if self.fields.started_at.is_some() { "finished before it started" } else { "no start record" })
    }

    /// The entity tag. It differs after every change.
    pub fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.id, self.updated_at.timestamp_micros())
    }

    /// The fields without a start that comes from another record.
    pub fn own(&self) -> NewRecord {
        NewRecord { started_at: self.own_start(), ..self.fields.clone() }
    }

    fn own_start(&self) -> Option<DateTime<Utc>> {
        self.fields.started_at.filter(|_| self.start_id.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::Phase;

    #[test]
    fn case_hyphen_underscore_and_space_do_not_matter() {
        for word in ["IN_PROGRESS", "in-progress", "In Progress", "inprogress"] {
            assert_eq!(Phase::of_status(word), Phase::Started, "{word}");
        }
        assert_eq!(Phase::of_status("Rolled_Back"), Phase::Noted);
    }
}
