//! Figures of how long deploys and stages take.

use serde::Serialize;

use super::dora::rounded;
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

named_enum! {
    /// What is measured.
    pub enum Of {
        Duration = "duration",
        /// The duration without what was waited.
        Work = "work",
        Waited = "waited",
    }
}

/// The durations of the succeeded deploys or stages with one name.
#[derive(Debug, Serialize)]
pub struct DurationGroup {
    /// `None` for records without the field.
    pub name: Option<String>,
    pub window: DurationFigures,
    /// For the window of equal length before.
    pub before: DurationFigures,
}

#[derive(Debug, Serialize)]
pub struct DurationFigures {
    /// With and without a duration.
    count: i64,
    without_duration: i64,
    /// With `waited_seconds`.
    waited_count: i64,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    max_seconds: Option<f64>,
    mean_seconds: Option<f64>,
}

impl DurationFigures {
    /// `percentiles` are p50, p90, p95 and the maximum.
    pub fn new(
        [count, without_duration, waited_count]: [i64; 3],
        percentiles: &[Option<f64>],
        mean: Option<f64>,
    ) -> Self {
        let percentile = |index: usize| percentiles.get(index).copied().flatten().map(rounded);
        Self {
            count,
            without_duration,
            waited_count,
            p50_seconds: percentile(0),
            p90_seconds: percentile(1),
            p95_seconds: percentile(2),
            max_seconds: percentile(3),
            mean_seconds: mean.map(rounded),
        }
    }
}
