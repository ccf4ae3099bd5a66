//! The span of time that a report covers.

use chrono::{DateTime, Utc};

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
    #[must_use]
    pub fn before(&self) -> DateTime<Utc> {
        self.since - (self.until - self.since)
    }
}
