//! What a record is: the fields, the phase its status word stands for, and its duration. No I/O.

mod change;
mod draft;
mod new_record;
mod scalar;
mod time;
mod wire;

use chrono::{DateTime, Utc};

pub use draft::{Draft, FieldError, Given, KEY_RULE, Origin, idempotency_key, text};
pub use new_record::NewRecord;
pub use time::{format as format_time, parse as parse_time};
pub use wire::{COLUMNS, Cell};

/// What a status word says of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Starts the clock.
    Started,
    /// Stops it: the deploy is live.
    Succeeded,
    /// Stops it.
    Failed,
    /// Stops it: somebody ended the deploy.
    Aborted,
    /// Stops it; the result is unstated.
    Finished,
    /// Never ran: counted nowhere.
    Skipped,
    /// Any other word: leaves the clock alone.
    Noted,
}

impl Phase {
    /// All of them, with their names, in the order of their declaration.
    pub const ALL: [(Self, &str); 7] = [
        (Self::Started, "started"),
        (Self::Succeeded, "succeeded"),
        (Self::Failed, "failed"),
        (Self::Aborted, "aborted"),
        (Self::Finished, "finished"),
        (Self::Skipped, "skipped"),
        (Self::Noted, "noted"),
    ];

    /// The phase of a status word. Case, `-`, `_` and space do not matter.
    #[must_use]
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

    /// The phase with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(phase, _)| *phase)
    }

    /// Its name, as answered and stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Whether it starts or stops the clock.
    #[must_use]
    pub fn is_clock(self) -> bool {
        self == Self::Started || self.stops()
    }

    /// Whether it stops the clock.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Aborted | Self::Finished)
    }
}

/// A record as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// From 1 to 2⁵³−1; never used twice, not gap-free, no measure of time.
    pub id: i64,
    /// What the sender set, with a stamped moment and a paired `started_at`.
    pub fields: NewRecord,
    /// The record that started its clock, where `started_at` is taken from one.
    pub start_id: Option<i64>,
    /// When it was written, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// When it last changed, by the database's clock.
    pub updated_at: DateTime<Utc>,
}

impl Record {
    /// `finished_at` − `started_at` in milliseconds, for a record that stops the clock and has both in this order.
    #[must_use]
    pub fn duration_ms(&self) -> Option<i64> {
        let (started, finished) = (self.fields.started_at?, self.fields.finished_at?);
        let micros = (finished - started).num_microseconds()?;
        (self.fields.phase.stops() && micros >= 0).then_some((micros + 500) / 1000)
    }

    /// Why a record that stops the clock has no duration.
    #[must_use]
    pub fn duration_missing(&self) -> Option<&'static str> {
        if !self.fields.phase.stops() || self.duration_ms().is_some() {
            return None;
        }
        Some(if self.fields.started_at.is_some() { "finished before it started" } else { "no start record" })
    }

    /// The entity tag: another one after every change.
    #[must_use]
    pub fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.id, self.updated_at.timestamp_micros())
    }

    /// What is its own, without a start that is taken from another record.
    #[must_use]
    pub fn own(&self) -> NewRecord {
        NewRecord { started_at: self.own_start(), ..self.fields.clone() }
    }

    /// Its own start: not one taken from another record.
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

    #[test]
    fn every_phase_is_found_by_its_name() {
        for (phase, name) in Phase::ALL {
            assert_eq!((Phase::named(name), phase.name()), (Some(phase), name));
        }
    }
}
