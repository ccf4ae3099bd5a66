//! Checks that the responses of a history match the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use serde_json::Value;

use super::{
    events::{Event, Kind},
    replay::{Replay, ids},
    senders::{Call, Exchange},
    timeline::{Delivery, content},
};

/// Why a history fails the check.
#[derive(Debug)]
pub enum Violation {
    /// The service failed to process a request, so the history proves nothing.
    Inconclusive(String),
    Wrong(String),
    /// Only the order of the timestamps is wrong.
    OutOfOrder(String),
}

impl Violation {
    pub fn reason(&self) -> &str {
        let (Self::Inconclusive(reason) | Self::Wrong(reason) | Self::OutOfOrder(reason)) = self;
        reason
    }
}

/// Finds for each response a step after which the model gives that response. Among the steps that affect the component,
/// this step must not precede the step of the call itself or of any write acknowledged before the call was sent, and it
/// must precede every write sent after the response. A read after all writes is therefore checked against the last step.
///
/// # Errors
///
/// If there is no such step, if an event belongs to no call, or if the clients cannot have seen this order of events.
pub fn check(exchanges: &[Exchange], events: &[Event]) -> Result<(), Violation> {
    if let Some(call) = exchanges.iter().find(|call| call.status >= 500 || call.status == 429) {
        return Err(Violation::Inconclusive(call.to_string()));
    }
    let replay = Replay::new(exchanges, events).map_err(Violation::Wrong)?;
    for (index, call) in exchanges.iter().enumerate() {
        let is_right = check_order(&replay, index).and_then(|()| check_response(&replay, index));
        is_right.map_err(|reason| Violation::Wrong(format!("{call}\n  {reason}")))?;
    }
    check_etags_differ(exchanges).map_err(Violation::Wrong)?;
    check_timestamps_rise(&replay, events).map_err(Violation::OutOfOrder)
}

/// The event of a write follows the events of all writes acknowledged before it was sent.
fn check_order(replay: &Replay, index: usize) -> Result<(), String> {
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
            return Err(format!("has step {step}, which is not after step {first} and at most step {last}"));
        }
    }
    Ok(())
}

/// The range of steps of this component that a response can reflect: from the last step that precedes the call to the
/// last step that does not follow the response.
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

/// The steps after which the model can give a response about this component: not before the step of the call itself.
fn span(replay: &Replay, index: usize, component: &str) -> RangeInclusive<usize> {
    let (first, last) = bounds(replay, index, component).into_inner();
    replay.steps[index].filter(|step| replay.touched(*step).contains(component)).unwrap_or(first)..=last
}

/// A response must match the model after some step. The response of an import is checked for each component.
fn check_response(replay: &Replay, index: usize) -> Result<(), String> {
    let call = &replay.calls[index];
    if let (Call::Import(lines), 201) = (&call.call, call.status) {
        check_import_ids(lines, &call.response)?;
        let components: BTreeSet<&str> = lines.iter().filter_map(|line| line["component"].as_str()).collect();
        let is_right = |component: &&str| {
            let mut span = span(replay, index, component);
            span.any(|step| is_imported(replay, lines, &call.response, component, step))
        };
        return match components.iter().find(|component| !is_right(component)) {
            None => Ok(()),
            Some(component) => Err(format!("has wrong ids for {component}")),
        };
    }
    let all = || replay.calls.iter().filter_map(|call| call.call.listed()).collect();
    let components: BTreeSet<&str> = call.call.listed().map_or_else(all, |component| BTreeSet::from([component]));
    let spans =
        || components.iter().flat_map(|component| span(replay, index, component).map(move |at| (*component, at)));
    if spans().any(|(component, step)| matches_model(replay, index, component, step)) {
        return Ok(());
    }
    let mut expected: Vec<String> =
        spans().map(|(component, step)| format!("{step}: {}", expected(replay, call, component, step))).collect();
    expected.dedup();
    Err(format!("matches the model after none of these steps:\n  {}", expected.join("\n  ")))
}

/// Whether the model gives this response about this component after this step.
fn matches_model(replay: &Replay, index: usize, component: &str, step: usize) -> bool {
    let call = &replay.calls[index];
    let timeline = &replay.timeline;
    let matches_record =
        |id: i64| timeline.record_after(step, id).is_some_and(|record| record == without_updated_at(&call.response));
    match &call.call {
        Call::Post(line) => {
            let line_content = content(line);
            let first = timeline.delivery(step, line);
            line["component"] == component
                && match call.status {
                    201 => call.response["id"].as_i64().is_some_and(matches_record),
                    200 => first.is_some_and(|first| first.content == line_content && matches_record(first.id)),
                    422 => first.is_some_and(|first| first.content != line_content),
                    _ => false,
                }
        }
        Call::Import(lines) => {
            let has_conflict = |line: &&Value| {
                let first = timeline.delivery(step, line);
                first.is_some_and(|first| first.content != content(line))
            };
            let lines = lines.iter().filter(|line| line["component"] == component);
            call.status == 422 && lines.filter(has_conflict).count() > 0
        }
        Call::Change { id, is_patch, body } => {
            let own = timeline.own(step, *id);
            let has_no_effect = || own.is_some_and(|own| own.changed(body, *is_patch, "").as_ref() == Some(own));
            timeline.component(step, *id) == Some(component)
                && match call.status {
                    200 => (replay.steps[index].is_some() || has_no_effect()) && matches_record(*id),
                    400 => own.is_some_and(|own| own.changed(body, *is_patch, "").is_none()),
                    404 => own.is_none(),
                    _ => false,
                }
        }
        Call::Delete(id) | Call::Read(id) => {
            timeline.component(step, *id) == Some(component)
                && match call.status {
                    200 => matches_record(*id),
                    204 | 404 => timeline.own(step, *id).is_none(),
                    _ => false,
                }
        }
        Call::List(of) => {
            let mut listed: Vec<Value> = call.response.as_array().unwrap().iter().map(without_updated_at).collect();
            listed.sort_by_key(|record| record["id"].as_i64());
            of == component && timeline.records_after(step, component).eq(listed)
        }
    }
}

/// An import returns one id per line, and the ids of lines without a key rise.
fn check_import_ids(lines: &[Value], response: &Value) -> Result<(), &'static str> {
    let count = ids(response).count();
    let counted = ["recorded", "replayed"].into_iter().filter_map(|field| response[field].as_u64()).sum::<u64>();
    if count != lines.len() || usize::try_from(counted) != Ok(count) {
        return Err("counts its lines wrong");
    }
    let new = lines.iter().zip(ids(response)).filter(|(line, _)| line.get("idempotency_key").is_none());
    if new.is_sorted_by(|(_, one), (_, next)| one < next) { Ok(()) } else { Err("has new ids that do not rise") }
}

/// Whether an import returned the right ids for the lines of a component after this step: new ids, or the ids that the
/// keys already had.
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

/// The expected record, or the expected records that a list lacks, for the failure message.
fn expected(replay: &Replay, call: &Exchange, component: &str, step: usize) -> String {
    let id = match &call.call {
        Call::List(_) => {
            let listed: Vec<Value> = call.response.as_array().unwrap().iter().map(without_updated_at).collect();
            let missed = replay.timeline.records_after(step, component).filter(|record| !listed.contains(record));
            return missed.map(|record| record.to_string()).collect::<Vec<_>>().join(", ");
        }
        Call::Change { id, .. } | Call::Delete(id) | Call::Read(id) => Some(*id),
        Call::Post(_) | Call::Import(_) => call.response["id"].as_i64(),
    };
    id.and_then(|id| replay.timeline.record_after(step, id)).unwrap_or_default().to_string()
}

/// Removes `updated_at`, which the model does not know.
pub fn without_updated_at(record: &Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().map(|fields| fields.remove("updated_at"));
    record
}

/// Two different contents of a record never have the same `updated_at`, from which the `ETag` is derived.
fn check_etags_differ(exchanges: &[Exchange]) -> Result<(), String> {
    let mut contents: BTreeMap<(i64, &str), &Value> = BTreeMap::new();
    for call in exchanges {
        let records = call.response.as_array().map_or(std::slice::from_ref(&call.response), Vec::as_slice);
        for record in records {
            let Some(tag) = record["id"].as_i64().zip(record["updated_at"].as_str()) else { continue };
            let content = *contents.entry(tag).or_insert(record);
            if content != record {
                return Err(format!("two contents have the same updated_at: {content}, {record}"));
            }
        }
    }
    Ok(())
}

/// The timestamps of the records of a component rise in the order of the writes.
fn check_timestamps_rise(replay: &Replay, events: &[Event]) -> Result<(), String> {
    let mut latest: BTreeMap<Option<&str>, &str> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == Kind::Recorded) {
        for logged in &event.records {
            let (_, line) = replay.recording_call(logged.id, event.number)?;
            let last = latest.entry(line["component"].as_str()).or_default();
            if logged.recorded_at.as_str() < *last {
                return Err(format!("the component already has a record of {last} before this event: {event:?}"));
            }
            *last = &logged.recorded_at;
        }
    }
    Ok(())
}
