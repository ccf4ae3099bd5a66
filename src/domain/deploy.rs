//! What records tell of deploys and of their stages. No I/O.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::domain::record::{Record, format_time};

/// One attempt to put a version of a component somewhere, or one at a stage of a run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The record that speaks for it: its stop, or else its start.
    pub record: Record,
    /// Where it stands.
    pub state: State,
}

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has started.
    Running,
    /// It has stopped, whatever came of it.
    Finished,
    /// It runs for so long that it is most likely over.
    Stale,
    /// Another start of the same deploy came after it.
    Superseded,
}

/// A deploy, with the attempts at its run's stages where they are asked for.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The deploy as a whole.
    pub attempt: Attempt,
    /// By their starts; none where it has no run.
    pub stages: Option<Vec<Attempt>>,
}

/// What runs at a place: its last succeeded deploy.
#[derive(Clone, Debug)]
pub struct Current {
    /// That deploy.
    pub attempt: Attempt,
    /// What ran there before, where that is known.
    pub previous_version: Option<String>,
}

/// A deploy that runs no longer than this is not stale, however fast its component is.
pub const LEAST_PATIENCE: TimeDelta = TimeDelta::hours(1);
const PATIENCE_WITHOUT_HISTORY: TimeDelta = TimeDelta::hours(24);

impl State {
    const ALL: [(Self, &str); 4] = [
        (Self::Running, "running"),
        (Self::Finished, "finished"),
        (Self::Stale, "stale"),
        (Self::Superseded, "superseded"),
    ];

    /// The state with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }

    /// Its name, as answered.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// How long a deploy may run before it is stale: three times what is usual for its component, in seconds.
#[must_use]
pub fn patience(usual_seconds: Option<f64>) -> TimeDelta {
    #[allow(clippy::cast_possible_truncation, reason = "ten thousand years are 3.2e17 microseconds")]
    let three_times = |seconds: f64| TimeDelta::microseconds((seconds * 3e6) as i64);
    usual_seconds.map_or(PATIENCE_WITHOUT_HISTORY, three_times).max(LEAST_PATIENCE)
}

impl Attempt {
    /// One that may be superseded, and is not known to be stale.
    #[must_use]
    pub fn new(record: Record, is_superseded: bool) -> Self {
        let state = match (record.fields.phase.stops(), is_superseded) {
            (true, _) => State::Finished,
            (false, true) => State::Superseded,
            (false, false) => State::Running,
        };
        Self { record, state }
    }

    /// When it stopped; until then, when it started. What it is found and ordered by.
    #[must_use]
    pub fn moment(&self) -> Option<DateTime<Utc>> {
        let fields = &self.record.fields;
        if fields.phase.stops() { fields.finished_at } else { fields.started_at }
    }

    fn serialize_deploy<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let fields = &self.record.fields;
        map.serialize_entry("component", &fields.component)?;
        map.serialize_entry("version", &fields.version)?;
        optional(map, "environment", fields.environment.as_ref())?;
        map.serialize_entry("owner", &fields.owner)?;
        optional(map, "run", fields.run.as_ref())
    }

    fn serialize_course<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let (record, fields) = (&self.record, &self.record.fields);
        optional(map, "url", fields.url.as_ref())?;
        map.serialize_entry("phase", fields.phase.name())?;
        map.serialize_entry("status", &fields.status)?;
        optional(map, "started_at", fields.started_at.map(format_time))?;
        optional(map, "finished_at", fields.finished_at.map(format_time))?;
        #[allow(clippy::cast_precision_loss, reason = "ten thousand years are 3.2e14 milliseconds")]
        optional(map, "duration_seconds", record.duration_ms().map(|millis| millis as f64 / 1000.0))?;
        optional(map, "duration_missing", record.duration_missing())?;
        map.serialize_entry("state", self.state.name())?;
        let (start, finish) =
            if fields.phase.stops() { (record.start_id, Some(record.id)) } else { (Some(record.id), None) };
        optional(map, "start_id", start)?;
        optional(map, "finish_id", finish)
    }
}

fn optional<M: SerializeMap, T: Serialize>(map: &mut M, name: &'static str, value: Option<T>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

/// One of a stage: with its name, and without what it has from its deploy.
struct Stage<'a>(&'a Attempt);

impl Serialize for Stage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        optional(&mut map, "stage", self.0.record.fields.stage.as_ref())?;
        self.0.serialize_course(&mut map)?;
        map.end()
    }
}

impl Serialize for Deploy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.attempt.serialize_deploy(&mut map)?;
        self.attempt.serialize_course(&mut map)?;
        let stages = self.stages.as_ref().map(|stages| stages.iter().map(Stage).collect::<Vec<_>>());
        optional(&mut map, "stages", stages)?;
        map.end()
    }
}

impl Serialize for Current {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.attempt.serialize_deploy(&mut map)?;
        optional(&mut map, "previous_version", self.previous_version.as_ref())?;
        optional(&mut map, "since", self.attempt.moment().map(format_time))?;
        self.attempt.serialize_course(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{State, patience};

    #[test]
    fn every_state_is_found_by_its_name() {
        for (state, name) in State::ALL {
            assert_eq!((State::named(name), state.name()), (Some(state), name));
        }
    }

    #[test]
    fn patience_is_three_times_the_usual_but_an_hour_at_least_and_a_day_without_history() {
        assert_eq!(patience(None), TimeDelta::hours(24));
        assert_eq!(patience(Some(0.0)), TimeDelta::hours(1));
        assert_eq!(patience(Some(1_200.0)), TimeDelta::hours(1));
        assert_eq!(patience(Some(1_200.5)), TimeDelta::hours(1) + TimeDelta::milliseconds(1_500));
        assert_eq!(patience(Some(36_000.0)), TimeDelta::hours(30));
    }
}
