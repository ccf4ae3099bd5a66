//! The events of a history replayed on the model: which call each is of, and what stands after it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    events::{Event, Kind, Logged},
    senders::{Answered, Call},
    timeline::Timeline,
};
use crate::model::OwnFields;

/// A step is an event that a call asked for, counted from 1.
pub struct Replay<'a> {
    pub calls: &'a [Answered],
    /// The step of each call that wrote something.
    pub steps: Vec<Option<usize>>,
    /// What is touched by each step: the components that it has records of, before or after.
    touched: Vec<BTreeSet<String>>,
    pub timeline: Timeline,
    /// The number of the event of each import that recorded anything.
    imports: BTreeMap<usize, i64>,
}

impl<'a> Replay<'a> {
    /// Fails where an event is of no call, or a key that stands is recorded again.
    pub fn of(calls: &'a [Answered], events: &[Event]) -> Result<Self, String> {
        let steps = vec![None; calls.len()];
        let imports = imports(calls, events)?;
        let mut replay = Self { calls, steps, touched: Vec::new(), timeline: Timeline::default(), imports };
        for event in events {
            replay.event(event).map_err(|reason| format!("{reason}: {event:?}"))?;
        }
        Ok(replay)
    }

    /// How many steps there are.
    pub fn count(&self) -> usize {
        self.touched.len()
    }

    /// The components that a step touches.
    pub fn touched(&self, step: usize) -> &BTreeSet<String> {
        &self.touched[step - 1]
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let first = &event.records[0];
        match event.kind {
            Kind::Recorded => {
                let step = self.begin_step();
                for logged in &event.records {
                    let (call, line) = self.recorder(logged.id, event.number)?;
                    self.steps[call] = Some(step);
                    let recorded = self.timeline.record(step, logged.id, line, &logged.recorded_at);
                    recorded.map_err(|reason| format!("{} {reason}", logged.id))?;
                    self.touch(step, logged.id);
                }
            }
            // One that nobody asked for is a neighbour's, and follows from the others.
            Kind::Changed => {
                if let Some((call, after)) = self.changer(first) {
                    self.change(call, first.id, Some(after));
                }
            }
            Kind::Deleted => {
                let is_it =
                    |call: &Answered| matches!(call.call, Call::Delete(id) if id == first.id && call.status == 204);
                let call = self.calls.iter().position(is_it).ok_or("nobody is told of a removal")?;
                self.change(call, first.id, None);
            }
        }
        Ok(())
    }

    fn begin_step(&mut self) -> usize {
        self.touched.push(BTreeSet::new());
        self.count()
    }

    /// Notes the component that a record has after a step.
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

    /// The call that recorded this one at this event, and the record as it was sent.
    pub fn recorder(&self, id: i64, number: i64) -> Result<(usize, &'a Value), &'static str> {
        let calls = self.calls.iter().enumerate().filter(|(_, call)| call.status == 201);
        let mut lines = calls.filter_map(|(index, call)| match &call.call {
            Call::Post(record) if call.response["id"] == id => Some((index, record)),
            Call::Import(lines) if self.imports.get(&index) == Some(&number) => {
                let line = ids(&call.response).position(|answered| answered == id)?;
                Some((index, &lines[line]))
            }
            _ => None,
        });
        match (lines.next(), lines.next()) {
            (Some(found), None) => Ok(found),
            (None, _) => Err("nobody is told of a record"),
            (_, Some(_)) => Err("two are told that they recorded the same"),
        }
    }

    /// The call that changed a record so that this is its `updated_at` since, and what it made of the record's own.
    fn changer(&self, logged: &Logged) -> Option<(usize, OwnFields)> {
        let own = self.timeline.own(self.count(), logged.id)?;
        let updated_at = logged.updated_at.as_deref()?;
        let changers = self.calls.iter().enumerate().filter_map(|(index, call)| {
            let Call::Change { id, is_patch, body } = &call.call else { return None };
            if *id != logged.id || call.status != 200 || call.response["updated_at"] != updated_at {
                return None;
            }
            let after = own.changed(body, *is_patch, updated_at)?;
            (after != *own && after == OwnFields::of_answer(&call.response)).then_some((index, after))
        });
        // Others that make the same of the record found that done. So the one sent first can be taken for it.
        changers.min_by_key(|(index, _)| self.calls[*index].sent)
    }
}

/// The number of the event of each import that recorded anything: the last one with any of its records, as what it
/// repeats was there before.
fn imports(calls: &[Answered], events: &[Event]) -> Result<BTreeMap<usize, i64>, String> {
    let mut imports = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        if !matches!(call.call, Call::Import(_)) || call.status != 201 || call.response["recorded"] == 0 {
            continue;
        }
        let ids: BTreeSet<i64> = ids(&call.response).collect();
        let its_own = |event: &Event| event.records.iter().filter(|logged| ids.contains(&logged.id)).count();
        let last = events.iter().rfind(|event| event.kind == Kind::Recorded && its_own(event) > 0);
        let last = last.filter(|event| call.response["recorded"] == its_own(event));
        imports.insert(index, last.ok_or_else(|| format!("{call}\n  no event has what is recorded"))?.number);
    }
    Ok(imports)
}

/// What an import is answered, in the order of its lines.
pub fn ids(response: &Value) -> impl Iterator<Item = i64> {
    response["ids"].as_array().unwrap().iter().filter_map(Value::as_i64)
}
