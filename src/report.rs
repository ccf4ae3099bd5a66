//! The figures that reports and metrics are made of. No I/O.

use chrono::{DateTime, Utc};

/// A window as it was asked for.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// From then on; else so many days before its end.
    pub since: Option<DateTime<Utc>>,
    /// Till before then; else till now.
    pub until: Option<DateTime<Utc>>,
    /// Used where `since` is left out.
    pub days: i32,
    /// Whose days they are.
    pub zone: String,
}

/// since ≤ t < until.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From then on.
    pub since: DateTime<Utc>,
    /// Till before then.
    pub until: DateTime<Utc>,
    /// Its length in days of its time zone: one in which the clocks change is a day, too.
    pub days: f64,
}

impl Window {
    /// Where the window of the same length begins that ends where this one begins.
    #[must_use]
    pub fn before(&self) -> DateTime<Utc> {
        self.since - (self.until - self.since)
    }
}

/// What they are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the record's own fields")]
pub enum By {
    Component,
    Stage,
    Environment,
    Owner,
    Version,
}

impl By {
    const ALL: [(Self, &str); 5] = [
        (Self::Component, "component"),
        (Self::Stage, "stage"),
        (Self::Environment, "environment"),
        (Self::Owner, "owner"),
        (Self::Version, "version"),
    ];

    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(by, _)| *by)
    }

    /// Its name: the field's.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The durations of what succeeded in a window, in seconds; those without a duration are in none but the first two.
#[derive(Debug)]
pub struct DurationFigures {
    /// All that succeeded.
    pub count: i64,
    /// How many of them have no duration.
    pub without_duration: i64,
    /// p50, p90, p95 and the longest, where one has a duration.
    pub percentiles: Option<[f64; 4]>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
}

/// What has one name.
#[derive(Debug)]
pub struct NamedDurations {
    /// Where the field is left out, none.
    pub name: Option<String>,
    /// In the window.
    pub now: DurationFigures,
    /// In the one before it.
    pub before: DurationFigures,
}

/// The deploys of a component to an environment that finished in a window, aborted ones left out.
#[derive(Debug)]
pub struct DeployFigures {
    /// Of which component.
    pub component: String,
    /// Those that succeeded.
    pub succeeded: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those that finished without saying how: they are in nothing else here.
    pub unstated: i64,
    /// Days of the window's time zone on which one succeeded.
    pub days_with_deploys: i64,
    /// Those that succeeded and say `committed_at`, before their finish.
    pub with_commit: i64,
    /// The median of their lead times, in seconds.
    pub lead_median: Option<f64>,
    /// Those that say `unplanned`, whether true or false.
    pub said_unplanned: i64,
    /// Those that say it is true.
    pub unplanned: i64,
    /// Those that failed, and those that succeeded and were a failure nevertheless.
    pub failures: i64,
    /// The latter, where a `rolled_back` record names one.
    pub only_named: i64,
    /// The latter, where one was undone by a rollback alone.
    pub only_undone: i64,
    /// Failures after which one succeeded.
    pub recovered: i64,
    /// The median of the times till then, in seconds.
    pub recovery_median: Option<f64>,
    /// The newest of the others, newest first.
    pub unrecovered: Vec<Unrecovered>,
}

/// A failure after which none succeeded yet.
#[derive(Debug)]
pub struct Unrecovered {
    /// The id of its finish.
    pub id: i64,
    /// What was to be put there.
    pub version: String,
    /// When it finished.
    pub finished_at: DateTime<Utc>,
    /// How long ago that is, in seconds.
    pub age: f64,
}

/// The last deploy of a component in an environment.
pub struct LastDeploy {
    /// What was deployed.
    pub component: String,
    /// Where; empty where nobody said.
    pub environment: String,
    /// Unix time in seconds.
    pub finished_at: f64,
    /// In seconds, where it is known.
    pub duration: Option<f64>,
    /// Whether its phase is `succeeded`.
    pub is_success: bool,
}
