//! Deploys and the stages of their runs, as derived from records.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::named_enum::named_enum;
use super::record::{Record, format_time, seconds};

/// One attempt at a deploy, or at a stage of its run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The record that stopped it, or else the one that started it.
    pub record: Record,
    pub state: State,
}

named_enum! {
    pub enum State {
        Running = "running",
        /// Stopped, with any result.
        Finished = "finished",
        /// Running for much longer than is typical; see `sql/deploys_page.sql`.
        Stale = "stale",
        /// Started again without a finish.
        Superseded = "superseded",
    }
}

/// The current version of a component in an environment.
#[derive(Clone, Debug)]
pub struct Current {
    /// The last succeeded deploy.
    pub attempt: Attempt,
    pub previous_version: Option<String>,
}

impl Attempt {
    /// When it stopped, or else started. Lists are ordered by it.
    pub fn moment(&self) -> Option<DateTime<Utc>> {
        let fields = &self.record.fields;
        if fields.phase.stops() { fields.finished_at } else { fields.started_at }
    }

    fn serialize_identity<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let fields = &self.record.fields;
        map.serialize_entry("component", &fields.component)?;
        map.serialize_entry("version", &fields.version)?;
        optional(map, "environment", fields.environment.as_ref())?;
        map.serialize_entry("owner", &fields.owner)?;
        optional(map, "run", fields.run.as_ref())
    }

    fn serialize_progress<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let (record, fields) = (&self.record, &self.record.fields);
        optional(map, "url", fields.url.as_ref())?;
        map.serialize_entry("phase", fields.phase.name())?;
        map.serialize_entry("status", &fields.status)?;
        optional(map, "started_at", fields.started_at.map(format_time))?;
        optional(map, "finished_at", fields.finished_at.map(format_time))?;
        optional(map, "duration_seconds", record.duration_ms().map(seconds))?;
        optional(map, "duration_missing", record.duration_missing())?;
        optional(map, "waited_seconds", fields.waited_seconds())?;
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

/// An attempt at a stage, without the fields that it shares with its deploy.
pub struct Stage<'a>(pub &'a Attempt);

impl Serialize for Stage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        optional(&mut map, "stage", self.0.record.fields.stage.as_ref())?;
        self.0.serialize_progress(&mut map)?;
        map.end()
    }
}

/// A deploy, without stages.
impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_identity(&mut map)?;
        self.serialize_progress(&mut map)?;
        map.end()
    }
}

impl Serialize for Current {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.attempt.serialize_identity(&mut map)?;
        optional(&mut map, "previous_version", self.previous_version.as_ref())?;
        optional(&mut map, "since", self.attempt.moment().map(format_time))?;
        self.attempt.serialize_progress(&mut map)?;
        map.end()
    }
}
