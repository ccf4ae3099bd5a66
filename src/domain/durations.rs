//! Figures of how long deploys and stages take.

use super::named_enum::named_enum;

named_enum! {
    /// The field that deploys or stages are grouped by.
    pub enum By {
        Component = "component",
        Stage = "stage",
        Environment = "environment",
        Owner = "owner",
        Version = "version",
    }
}

/// Durations of the succeeded deploys or stages of a window, in seconds.
#[derive(Debug)]
pub struct DurationFigures {
    /// With and without a duration.
    pub count: i64,
    pub without_duration: i64,
    /// p50, p90, p95 and the maximum. `None` without any duration.
    pub percentiles: Option<[f64; 4]>,
    pub mean: Option<f64>,
}

/// The group of one name.
#[derive(Debug)]
pub struct NamedDurations {
    /// `None` for records without the field.
    pub name: Option<String>,
    pub now: DurationFigures,
    /// In the window of equal length before.
    pub before: DurationFigures,
}
