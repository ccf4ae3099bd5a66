//! Filters of lists and event streams.

use chrono::{DateTime, Utc};

use super::record::{Phase, Record};

/// Matches records that have all of these values.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub component: Option<String>,
    pub version: Option<String>,
    pub owner: Option<String>,
    pub status: Option<String>,
    pub phase: Option<Phase>,
    pub environment: Option<String>,
    pub run: Option<String>,
    pub stage: Option<String>,
    /// Inclusive, for `recorded_at`.
    pub since: Option<DateTime<Utc>>,
    /// Exclusive, for `recorded_at`.
    pub until: Option<DateTime<Utc>>,
}

impl Filter {
    /// The phase to look for. A status word implies one, and rare phases have an index.
    pub fn implied_phase(&self) -> Option<Phase> {
        self.phase.or_else(|| self.status.as_deref().map(Phase::of_status))
    }

    /// The texts, each with its name.
    pub fn texts(&self) -> [(&'static str, Option<&str>); 8] {
        [
            ("component", self.component.as_deref()),
            ("version", self.version.as_deref()),
            ("owner", self.owner.as_deref()),
            ("status", self.status.as_deref()),
            ("phase", self.phase.map(Phase::name)),
            ("environment", self.environment.as_deref()),
            ("run", self.run.as_deref()),
            ("stage", self.stage.as_deref()),
        ]
    }

    pub fn matches(&self, record: &Record) -> bool {
        fn is(wanted: Option<&String>, value: Option<&String>) -> bool {
            wanted.is_none_or(|wanted| value == Some(wanted))
        }
        let fields = &record.fields;
        is(self.component.as_ref(), Some(&fields.component))
            && is(self.version.as_ref(), Some(&fields.version))
            && is(self.owner.as_ref(), Some(&fields.owner))
            && is(self.status.as_ref(), Some(&fields.status))
            && self.phase.is_none_or(|phase| phase == fields.phase)
            && is(self.environment.as_ref(), fields.environment.as_ref())
            && is(self.run.as_ref(), fields.run.as_ref())
            && is(self.stage.as_ref(), fields.stage.as_ref())
            && self.since.is_none_or(|since| since <= record.recorded_at)
            && self.until.is_none_or(|until| record.recorded_at < until)
    }
}
