//! Whether the answers of a history are those of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use serde_json::Value;

use super::{
    events::{Event, Kind},
    replay::{Replay, ids},
    senders::{Answered, Call},
    timeline::{Delivery, content},
};

/// What a history is caught at.
#[derive(Debug)]
pub enum Violation {
    /// The service could not do what it was asked: the history tells nothing.
    Refused(String),
    Wrong(String),
    /// All is right but the order of the stamps.
    Misstamped(String),
}

impl Violation {
    pub fn reason(&self) -> &str {
        let (Self::Refused(reason) | Self::Wrong(reason) | Self::Misstamped(reason)) = self;
        reason
    }
}

/// Finds for every answer a step after which the model gives it. Of the steps that touch the component in question, it
/// follows the call's own and those of all writes that were acknowledged before the call was sent, and precedes those
/// of the writes sent after its answer. What is read when all writes are acknowledged is so left one step only.
///
/// # Errors
///
/// Where there is none, or the events are not those of the calls, or in no order that the senders could have seen.
pub fn check(calls: &[Answered], events: &[Event]) -> Result<(), Violation> {
    if let Some(call) = calls.iter().find(|call| call.status >= 500 || call.status == 429) {
        return Err(Violation::Refused(call.to_string()));
    }
    let replay = Replay::of(calls, events).map_err(Violation::Wrong)?;
    for (index, call) in calls.iter().enumerate() {
        let is_right = order(&replay, index).and_then(|()| response(&replay, index));
        is_right.map_err(|reason| Violation::Wrong(format!("{call}\n  {reason}")))?;
    }
    contents_have_their_own_tags(calls).map_err(Violation::Wrong)?;
    stamps_rise(&replay, events).map_err(Violation::Misstamped)
}

/// A write has its event after those of the writes acknowledged before it was sent.
fn order(replay: &Replay, index: usize) -> Result<(), String> {
    let call = &replay.calls[index];
    let Some(step) = replay.steps[index] else {
        let is_write = match call.call {
            Call::Post(_) | Call::Import(_) => call.status == 201 && call.response["recorded"] != 0,
            Call::Delete(_) => call.status == 204,
            _ => false,
        };
        return if is_write { Err("has no event".to_owned()) } else { Ok(()) };
    };
    for component in replay.touched(step) {
        let (first, last) = bounds(replay, index, component).into_inner();
        if step <= first || step > last {
            return Err(format!("has step {step}, which is not after {first} and up to {last}"));
        }
    }
    Ok(())
}

/// The steps from the last that comes before a call to the last that may come before its answer, among those that touch
/// this component.
fn bounds(replay: &Replay, index: usize, component: &str) -> RangeInclusive<usize> {
    let call = &replay.calls[index];
    let steps = || {
        let steps = replay.calls.iter().zip(&replay.steps).filter_map(|(call, step)| Some((call, (*step)?)));
        steps.filter(|(_, step)| replay.touched(*step).contains(component))
    };
    let before = steps().filter(|(other, _)| other.received < call.sent).map(|(_, step)| step).max();
    let after = steps().filter(|(other, _)| other.sent > call.received).map(|(_, step)| step).min();
    before.unwrap_or(0)..=after.map_or(replay.count(), |after| after - 1)
}

/// The steps after which an answer about this component may be right.
fn span(replay: &Replay, index: usize, component: &str) -> RangeInclusive<usize> {
    let (first, last) = bounds(replay, index, component).into_inner();
    replay.steps[index].filter(|step| replay.touched(*step).contains(component)).unwrap_or(first)..=last
}

/// An answer is right after some step; that of an import, component by component.
fn response(replay: &Replay, index: usize) -> Result<(), String> {
    let call = &replay.calls[index];
    if let (Call::Import(lines), 201) = (&call.call, call.status) {
        has_an_id_for_each(lines, &call.response)?;
        let components: BTreeSet<&str> = lines.iter().filter_map(|line| line["component"].as_str()).collect();
        let is_right = |component: &&str| {
            let mut span = span(replay, index, component);
            span.any(|step| is_imported(replay, lines, &call.response, component, step))
        };
        return match components.iter().find(|component| !is_right(component)) {
            None => Ok(()),
            Some(component) => Err(format!("has no ids that are right for {component}")),
        };
    }
    let all = || replay.calls.iter().filter_map(|call| call.call.listed()).collect();
    let components: BTreeSet<&str> = call.call.listed().map_or_else(all, |component| BTreeSet::from([component]));
    let spans =
        || components.iter().flat_map(|component| span(replay, index, component).map(move |at| (*component, at)));
    if spans().any(|(component, step)| is_right(replay, index, component, step)) {
        return Ok(());
    }
    let mut expected: Vec<String> =
        spans().map(|(component, step)| format!("{step}: {}", expected(replay, call, component, step))).collect();
    expected.dedup();
    Err(format!("is right after none of these steps:\n  {}", expected.join("\n  ")))
}

/// Whether the model gives this answer, which tells of this component, after this step.
fn is_right(replay: &Replay, index: usize, component: &str, step: usize) -> bool {
    let call = &replay.calls[index];
    let timeline = &replay.timeline;
    let stands = |id: i64| timeline.record_at(step, id).is_some_and(|record| record == timeless(&call.response));
    match &call.call {
        Call::Post(line) => {
            let line_content = content(line);
            let first = timeline.delivery(step, line);
            line["component"] == component
                && match call.status {
                    201 => call.response["id"].as_i64().is_some_and(stands),
                    200 => first.is_some_and(|first| first.content == line_content && stands(first.id)),
                    422 => first.is_some_and(|first| first.content != line_content),
                    _ => false,
                }
        }
        Call::Import(lines) => {
            let is_reused = |line: &&Value| {
                let first = timeline.delivery(step, line);
                first.is_some_and(|first| first.content != content(line))
            };
            let lines = lines.iter().filter(|line| line["component"] == component);
            call.status == 422 && lines.filter(is_reused).count() > 0
        }
        Call::Change { id, is_patch, body } => {
            let own = timeline.own(step, *id);
            let leaves_it = || own.is_some_and(|own| own.changed(body, *is_patch, "").as_ref() == Some(own));
            timeline.component(step, *id) == Some(component)
                && match call.status {
                    200 => (replay.steps[index].is_some() || leaves_it()) && stands(*id),
                    400 => own.is_some_and(|own| own.changed(body, *is_patch, "").is_none()),
                    404 => own.is_none(),
                    _ => false,
                }
        }
        Call::Delete(id) | Call::Read(id) => {
            timeline.component(step, *id) == Some(component)
                && match call.status {
                    200 => stands(*id),
                    204 | 404 => timeline.own(step, *id).is_none(),
                    _ => false,
                }
        }
        Call::List(of) => {
            let mut listed: Vec<Value> = call.response.as_array().unwrap().iter().map(timeless).collect();
            listed.sort_by_key(|record| record["id"].as_i64());
            of == component && timeline.records_of(step, component).eq(listed)
        }
    }
}

/// Each line has an id, and those that can only be new rise.
fn has_an_id_for_each(lines: &[Value], response: &Value) -> Result<(), &'static str> {
    let count = ids(response).count();
    let counted = ["recorded", "replayed"].into_iter().filter_map(|field| response[field].as_u64()).sum::<u64>();
    if count != lines.len() || usize::try_from(counted) != Ok(count) {
        return Err("does not count its lines right");
    }
    let new = lines.iter().zip(ids(response)).filter(|(line, _)| line.get("idempotency_key").is_none());
    if new.is_sorted_by(|(_, one), (_, next)| one < next) { Ok(()) } else { Err("has new ids that do not rise") }
}

/// Whether the ids of an import's lines for a component are right after this step: each of its own, or that which its
/// key stands for.
fn is_imported(replay: &Replay, lines: &[Value], response: &Value, component: &str, step: usize) -> bool {
    let is_right = |(line, id): (&Value, i64)| {
        let repeats = |first: &Delivery| first.id == id && first.content == content(line);
        match line.get("idempotency_key") {
            None => replay.timeline.own(step, id).is_some(),
            Some(_) => replay.timeline.delivery(step, line).is_some_and(repeats),
        }
    };
    lines.iter().zip(ids(response)).filter(|(line, _)| line["component"] == component).all(is_right)
}

/// What a wrong answer is to be compared with. Of a list, the records that are not in it as they should be.
fn expected(replay: &Replay, call: &Answered, component: &str, step: usize) -> String {
    let id = match &call.call {
        Call::List(_) => {
            let listed: Vec<Value> = call.response.as_array().unwrap().iter().map(timeless).collect();
            let missed = replay.timeline.records_of(step, component).filter(|record| !listed.contains(record));
            return missed.map(|record| record.to_string()).collect::<Vec<_>>().join(", ");
        }
        Call::Change { id, .. } | Call::Delete(id) | Call::Read(id) => Some(*id),
        Call::Post(_) | Call::Import(_) => call.response["id"].as_i64(),
    };
    id.and_then(|id| replay.timeline.record_at(step, id)).unwrap_or_default().to_string()
}

/// An answered record without its `updated_at`, which the model does not know.
fn timeless(record: &Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().map(|fields| fields.remove("updated_at"));
    record
}

/// No two contents of a record have the same `updated_at`, of which its `ETag` is made.
fn contents_have_their_own_tags(calls: &[Answered]) -> Result<(), String> {
    let mut contents: BTreeMap<(i64, &str), &Value> = BTreeMap::new();
    for call in calls {
        let records = call.response.as_array().map_or(std::slice::from_ref(&call.response), Vec::as_slice);
        for record in records {
            let Some(tag) = record["id"].as_i64().zip(record["updated_at"].as_str()) else { continue };
            let content = *contents.entry(tag).or_insert(record);
            if content != record {
                return Err(format!("two contents have one updated_at: {content}, {record}"));
            }
        }
    }
    Ok(())
}

/// Records of a component are stamped in the order in which they are written.
fn stamps_rise(replay: &Replay, events: &[Event]) -> Result<(), String> {
    let mut stamps: BTreeMap<Option<&str>, &str> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == Kind::Recorded) {
        for logged in &event.records {
            let (_, line) = replay.recorder(logged.id, event.number)?;
            let last = stamps.entry(line["component"].as_str()).or_default();
            if logged.recorded_at.as_str() < *last {
                return Err(format!("the component has a record of {last} before this event: {event:?}"));
            }
            *last = &logged.recorded_at;
        }
    }
    Ok(())
}
