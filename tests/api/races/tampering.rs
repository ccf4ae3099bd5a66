//! The check rejects every history that was tampered with.

use serde_json::Value;

use super::{
    Processes,
    check::{Violation, check, without_updated_at},
    events::{Event, Kind},
    senders::{Call, Exchange},
};

/// The first response of a matching call.
fn find_response(calls: &mut [Exchange], matches: impl Fn(&Exchange) -> bool) -> Option<&mut Value> {
    calls.iter_mut().find(|call| matches(call)).map(|call| &mut call.response)
}

/// Makes a history wrong; `None` if the history offers nothing to change.
type Tampering = fn(&mut Vec<Exchange>, &mut Vec<Event>) -> Option<()>;

const TAMPERINGS: [(&str, Tampering); 8] = [
    ("a finish has no start", |calls, _| {
        let record = find_response(calls, |call| call.status == 201 && call.response.get("start_id").is_some())?;
        record.as_object_mut()?.remove("start_id").map(drop)
    }),
    ("a duration is wrong", |calls, _| {
        let record = find_response(calls, |call| call.status == 200 && call.response["duration_seconds"].is_f64())?;
        record["duration_seconds"] = 0.125.into();
        Some(())
    }),
    ("a repeated delivery is recorded again", |calls, _| {
        let replay = calls.iter_mut().find(|call| matches!(call.call, Call::Post(_)) && call.status == 200)?;
        replay.status = 201;
        Some(())
    }),
    ("a list lacks a record", |calls, _| {
        let list = find_response(calls, |call| call.response.as_array().is_some_and(|all| !all.is_empty()))?;
        list.as_array_mut()?.pop().map(drop)
    }),
    ("a change has no effect", |calls, events| {
        // A change that sets what a record already has leaves no trace.
        let is_only_writer = |call: &Exchange| {
            let writes = calls.iter().filter(|other| !matches!(other.call, Call::Read(_) | Call::List(_)));
            let content = without_updated_at(&call.response);
            writes.filter(|other| without_updated_at(&other.response) == content).count() == 1
        };
        let changed = |event: &Event, call: &Exchange| {
            matches!(call.call, Call::Change { .. })
                && call.status == 200
                && call.response["updated_at"].as_str() == event.records[0].updated_at.as_deref()
                && is_only_writer(call)
        };
        let at = events
            .iter()
            .position(|event| event.kind == Kind::Changed && calls.iter().any(|call| changed(event, call)))?;
        events.remove(at);
        Some(())
    }),
    ("a deletion has no event", |_, events| {
        let at = events.iter().position(|event| event.kind == Kind::Deleted)?;
        events.remove(at);
        Some(())
    }),
    ("a record has no event", |_, events| {
        let at = events.iter().position(|event| event.kind == Kind::Recorded)?;
        events.remove(at);
        Some(())
    }),
    ("the first event comes last", |_, events| {
        events.rotate_left(1);
        Some(())
    }),
];

#[test]
fn a_tampered_history_is_detected() {
    let process = Processes::start(1);
    // On a busy machine a request can fail, and then a history proves nothing.
    let histories: Vec<_> =
        (0..20).map(|seed| process.play(seed)).filter(|(calls, events)| check(calls, events).is_ok()).collect();
    for (what, tampering) in TAMPERINGS {
        let mut tried = 0;
        for (calls, events) in &histories {
            let (mut calls, mut events) = (calls.clone(), events.clone());
            if tampering(&mut calls, &mut events).is_some() {
                tried += 1;
                let result = check(&calls, &events);
                assert!(
                    matches!(result, Err(Violation::Wrong(_))),
                    "{what}: {:?}",
                    result.as_ref().map_err(Violation::reason)
                );
            }
        }
        assert!(tried > 0, "no history to try: {what}");
    }
}
