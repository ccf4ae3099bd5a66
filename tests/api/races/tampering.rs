//! The check itself: it takes a history as it was, and none that was tampered with.

use serde_json::Value;

use super::{
    Processes,
    check::{Violation, check},
    events::{Event, Kind},
    senders::{Answered, Call},
};

/// The first answer that is so, as far as it can be changed.
fn response(calls: &mut [Answered], is_so: impl Fn(&Answered) -> bool) -> Option<&mut Value> {
    calls.iter_mut().find(|call| is_so(call)).map(|call| &mut call.response)
}

/// A change of a history that makes it a wrong one, where there is anything to change.
type Tampering = fn(&mut Vec<Answered>, &mut Vec<Event>) -> Option<()>;

const TAMPERINGS: [(&str, Tampering); 8] = [
    ("a start is not taken", |calls, _| {
        let record = response(calls, |call| call.status == 201 && call.response.get("start_id").is_some())?;
        record.as_object_mut()?.remove("start_id").map(drop)
    }),
    ("a duration is another", |calls, _| {
        let record = response(calls, |call| call.status == 200 && call.response["duration_seconds"].is_f64())?;
        record["duration_seconds"] = 0.125.into();
        Some(())
    }),
    ("a repeated delivery is recorded anew", |calls, _| {
        let replay = calls.iter_mut().find(|call| matches!(call.call, Call::Post(_)) && call.status == 200)?;
        replay.status = 201;
        Some(())
    }),
    ("a record is not listed", |calls, _| {
        let list = response(calls, |call| call.response.as_array().is_some_and(|all| !all.is_empty()))?;
        list.as_array_mut()?.pop().map(drop)
    }),
    ("a change has no effect", |calls, events| {
        let changed = |event: &Event, call: &Answered| {
            matches!(call.call, Call::Change { .. })
                && call.status == 200
                && call.response["updated_at"].as_str() == event.records[0].updated_at.as_deref()
        };
        let at = events
            .iter()
            .position(|event| event.kind == Kind::Changed && calls.iter().any(|call| changed(event, call)))?;
        events.remove(at);
        Some(())
    }),
    ("a removal has no event", |_, events| {
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
    let histories: Vec<_> = (0..20).map(|seed| process.play(seed)).collect();
    for (what, tampering) in TAMPERINGS {
        let mut tried = 0;
        for (calls, events) in &histories {
            let (mut calls, mut events) = (calls.clone(), events.clone());
            if tampering(&mut calls, &mut events).is_some() {
                tried += 1;
                assert!(matches!(check(&calls, &events), Err(Violation::Wrong(_))), "{what}");
            }
        }
        assert!(tried > 0, "nothing to try: {what}");
    }
}
