//! How long deploys and stages take.

/// What they are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
