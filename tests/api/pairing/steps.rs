//! Random operations on records.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::model::TEXTS;

/// One operation. A number selects an existing record or delivery, modulo their count.
#[derive(Clone, Debug)]
pub enum Step {
    Post(Value),
    Import(Vec<Value>),
    Repeat(usize),
    Put(usize, Value),
    Patch(usize, Value),
    Delete(usize),
}

/// A record, or a random part of its fields for a patch. The component is 0 or 1.
pub fn record(is_patch: bool) -> impl Strategy<Value = Value> {
    let status = prop::sample::select(vec![
        "started",
        "started",
        "deployed",
        "failed",
        "cancelled",
        "done",
        "queued",
        "skipped",
    ]);
    let texts = (0..2_u64, 0..2_u8, 0..2_u8, 0..3_u8, 0..2_u8);
    let time = || prop::option::weighted(0.7, prop::option::weighted(0.9, 0..6_u8));
    (status, texts, time(), time(), prop::bits::u8::ANY).prop_map(move |(status, texts, started, finished, named)| {
        let (component, version, environment, run, stage) = texts;
        let optional =
            |name: &str, choice: u8| if choice == 0 { Value::Null } else { format!("{name}{choice}").into() };
        let mut record = json!({
            "component": component, "version": version.to_string(), "owner": "ann", "status": status,
            "environment": optional("e", environment), "run": optional("r", run), "stage": optional("s", stage),
        });
        let record = record.as_object_mut().unwrap();
        let time =
            |tick: Option<u8>| tick.map_or(Value::Null, |tick| format!("2026-01-01T00:00:0{tick}.000000Z").into());
        if let Some(tick) = started {
            record.insert("started_at".to_owned(), time(tick));
        }
        if let Some(tick) = finished.filter(|_| is_patch || status != "started") {
            record.insert("finished_at".to_owned(), time(tick));
        }
        if is_patch {
            let kept: HashSet<&str> =
                TEXTS.into_iter().enumerate().filter(|(bit, _)| named >> bit & 1 == 1).map(|(_, name)| name).collect();
            record.retain(|name, _| name.ends_with("_at") || kept.contains(name.as_str()));
        }
        Value::Object(record.clone())
    })
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => record(false).prop_map(Step::Post),
        3 => prop::collection::vec(record(false), 1..8).prop_map(Step::Import),
        1 => any::<usize>().prop_map(Step::Repeat),
        2 => (any::<usize>(), record(false)).prop_map(|(at, record)| Step::Put(at, record)),
        3 => (any::<usize>(), record(true)).prop_map(|(at, record)| Step::Patch(at, record)),
        2 => any::<usize>().prop_map(Step::Delete),
    ]
}
