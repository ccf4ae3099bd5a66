//! The span of time that a report covers.

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
