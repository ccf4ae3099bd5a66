//! Replays the events of a history on the model and assigns each event to its call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    events::{Event, Kind, Logged},
    senders::{Call, Exchange},
    timeline::Timeline,
};
use crate::model::OwnFields;

/// A step is an event that a call caused directly, counted from 1.
pub struct Replay<'a> {
    pub calls: &'a [Exchange],
    /// The step of each call; `None` if it wrote nothing.
    pub steps: Vec<Option<usize>>,
    /// The components of the records of each step, before and after it.
    touched: Vec<BTreeSet<String>>,
    pub timeline: Timeline,
    /// The number of the event of each import that recorded something.
    imports: BTreeMap<usize, i64>,
}

impl<'a> Replay<'a> {
    /// Fails if an event belongs to no call, or if a key in use is recorded again.
    pub fn new(calls: &'a [Exchange], events: &[Event]) -> Result<Self, String> {
        let steps = vec![None; calls.len()];
        let imports = imports(calls, events)?;
        let mut replay = Self { calls, steps, touched: Vec::new(), timeline: Timeline::default(), imports };
        for event in events {
            replay.event(event).map_err(|reason| format!("{reason}: {event:?}"))?;
        }
        Ok(replay)
    }

    /// The number of steps.
    pub fn count(&self) -> usize {
        self.touched.len()
    }

    pub fn touched(&self, step: usize) -> &BTreeSet<String> {
        &self.touched[step - 1]
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let first = &event.records[0];
        match event.kind {
            Kind::Recorded => {
                let step = self.begin_step();
                for logged in &event.records {
                    let (call, line) = self.recording_call(logged.id, event.number)?;
                    self.steps[call] = Some(step);
                    let recorded = self.timeline.record(step, logged.id, line, &logged.recorded_at);
                    recorded.map_err(|reason| format!("{} {reason}", logged.id))?;
                    self.touch(step, logged.id);
                }
            }
            // A change that no call caused is that of a neighbour, which the model derives.
            Kind::Changed => {
                if let Some((call, after)) = self.changing_call(first) {
                    self.change(call, first.id, Some(after));
                }
            }
            Kind::Deleted => {
                let is_cause =
                    |call: &Exchange| matches!(call.call, Call::Delete(id) if id == first.id && call.status == 204);
                let call = self.calls.iter().position(is_cause).ok_or("a deletion belongs to no call")?;
                self.change(call, first.id, None);
            }
        }
        Ok(())
    }

    fn begin_step(&mut self) -> usize {
        self.touched.push(BTreeSet::new());
        self.count()
    }

    /// Adds the component that a record has after a step.
    fn touch(&mut self, step: usize, id: i64) {
        self.touched[step - 1].extend(self.timeline.component(step, id).map(str::to_owned));
    }

    fn change(&mut self, call: usize, id: i64, after: Option<OwnFields>) {
        let step = self.begin_step();
        self.steps[call] = Some(step);
        self.touch(step, id);
        self.timeline.change(step, id, after);
        self.touch(step, id);
    }

    /// The call that created this record with this event, and the record as sent.
    pub fn recording_call(&self, id: i64, number: i64) -> Result<(usize, &'a Value), &'static str> {
        let calls = self.calls.iter().enumerate().filter(|(_, call)| call.status == 201);
        let mut lines = calls.filter_map(|(index, call)| match &call.call {
            Call::Post(record) if call.response["id"] == id => Some((index, record)),
            Call::Import(lines) if self.imports.get(&index) == Some(&number) => {
                let line = ids(&call.response).position(|recorded| recorded == id)?;
                Some((index, &lines[line]))
            }
            _ => None,
        });
        match (lines.next(), lines.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err("a record belongs to no call"),
            (_, Some(_)) => Err("two calls claim to have recorded the same record"),
        }
    }

    /// The call that changed a record and received this `updated_at`, and the own values of the record after it.
    fn changing_call(&self, logged: &Logged) -> Option<(usize, OwnFields)> {
        let own = self.timeline.own(self.count(), logged.id)?;
        let updated_at = logged.updated_at.as_deref()?;
        let candidates = self.calls.iter().enumerate().filter_map(|(index, call)| {
            let Call::Change { id, is_patch, body } = &call.call else { return None };
            if *id != logged.id || call.status != 200 || call.response["updated_at"] != updated_at {
                return None;
            }
            let after = own.changed(body, *is_patch, updated_at)?;
            (after != *own && after == OwnFields::from_response(&call.response)).then_some((index, after))
        });
        // Other calls with the same result had no effect, so it is safe to take the call sent first.
        candidates.min_by_key(|(index, _)| self.calls[*index].sent)
    }
}

/// The number of the event of each import that recorded something: the last event with one of its records, because
/// repeated records existed before.
fn imports(calls: &[Exchange], events: &[Event]) -> Result<BTreeMap<usize, i64>, String> {
    let mut imports = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        if !matches!(call.call, Call::Import(_)) || call.status != 201 || call.response["recorded"] == 0 {
            continue;
        }
        let ids: BTreeSet<i64> = ids(&call.response).collect();
        let its_own = |event: &Event| event.records.iter().filter(|logged| ids.contains(&logged.id)).count();
        let last = events.iter().rfind(|event| event.kind == Kind::Recorded && its_own(event) > 0);
        let last = last.filter(|event| call.response["recorded"] == its_own(event));
        imports.insert(index, last.ok_or_else(|| format!("{call}\n  no event has the recorded lines"))?.number);
    }
    Ok(imports)
}

/// The ids in the response of an import, in the order of its lines.
pub fn ids(response: &Value) -> impl Iterator<Item = i64> {
    response["ids"].as_array().unwrap().iter().filter_map(Value::as_i64)
}
