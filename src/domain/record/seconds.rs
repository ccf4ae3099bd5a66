//! Seconds in JSON and in the database; milliseconds in a record.

/// A year.
const MAX_WAITED_SECONDS: f64 = 31_536_000.0;
pub const WAITED_RULE: &str = "must be a number from 0 to 31536000";

#[allow(clippy::cast_precision_loss, reason = "ten thousand years are 3.2e14 milliseconds")]
pub fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

/// The nearest number of milliseconds.
#[allow(clippy::cast_possible_truncation, reason = "no duration has 2⁶³ milliseconds")]
pub fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Whether `waited_seconds` can be this number.
pub fn is_waited(seconds: f64) -> bool {
    (0.0..=MAX_WAITED_SECONDS).contains(&seconds)
}
