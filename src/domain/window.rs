//! The span of time that a report covers.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::record::format_time;

/// A window as requested.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// `None` means `days` before the end.
    pub since: Option<DateTime<Utc>>,
    /// `None` means now.
    pub until: Option<DateTime<Utc>>,
    pub days: i32,
    /// The IANA name of the time zone that defines days.
    pub zone: String,
}

/// since ≤ t < until.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// The length in calendar days of the time zone, which can have 23 or 25 hours.
    pub days: f64,
}

impl Window {
    /// The start of the window of equal length just before this one.
    pub fn before(&self) -> DateTime<Utc> {
        self.since - (self.until - self.since)
    }
}

/// A window in an answer.
#[derive(Debug, Serialize)]
pub struct Span {
    since: String,
    until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tz: Option<String>,
}

impl Span {
    pub fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { since: format_time(since), until: format_time(until), tz: None }
    }

    pub fn in_zone(window: &Window, zone: &str) -> Self {
        Self { tz: Some(zone.to_owned()), ..Self::new(window.since, window.until) }
    }
}
