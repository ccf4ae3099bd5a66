//! What the records of a case are as deploys, and what runs where.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{harness::Service, model::Own};

/// Each deploy as its state, start, finish and duration, newest first.
fn deploys(component: &str, known: &BTreeMap<i64, Own>, measured: &BTreeMap<i64, Value>) -> Vec<[Value; 4]> {
    let mut deploys: Vec<_> = known
        .iter()
        .filter(|(_, own)| own.text("component") == Some(component) && own.text("stage").is_none())
        .filter_map(|(id, own)| {
            let place = (own.moment()?, id);
            let deploy = if own.clock() == Some(false) {
                let measured = &measured[id];
                [json!("finished"), measured["start_id"].clone(), json!(id), measured["duration_seconds"].clone()]
            } else {
                let next = known
                    .iter()
                    .filter(|(_, other)| other.deploy() == own.deploy())
                    .filter_map(|(id, other)| Some(((other.moment()?, id), other.clock()?)))
                    .filter(|(other, _)| *other > place)
                    .min();
                let state = match next {
                    None => "running",
                    Some((_, true)) => "superseded",
                    Some((_, false)) => return None,
                };
                [json!(state), json!(id), Value::Null, Value::Null]
            };
            Some((place, deploy))
        })
        .collect();
    deploys.sort_by(|(a, _), (b, _)| b.cmp(a));
    deploys.into_iter().map(|(_, deploy)| deploy).collect()
}

/// Each environment's finish, version and the version before, by the environment's name.
fn current(component: &str, known: &BTreeMap<i64, Own>) -> Vec<[Value; 4]> {
    let mut places: BTreeMap<Option<&str>, Vec<(&String, i64, &Value)>> = BTreeMap::new();
    for (id, own) in known {
        let is_live = own.text("status") == Some("deployed") && own.text("stage").is_none();
        if own.text("component") == Some(component) && is_live {
            let deploy = (own.moment().unwrap(), *id, &own.sent["version"]);
            places.entry(own.text("environment")).or_default().push(deploy);
        }
    }
    let last = places.into_iter().map(|(environment, mut deploys)| {
        deploys.sort_unstable_by_key(|(moment, id, _)| (*moment, *id));
        let (_, id, version) = deploys.pop().unwrap();
        let before = deploys.iter().rfind(|(_, _, before)| *before != version);
        [
            json!(environment),
            json!(id),
            version.clone(),
            before.map_or(Value::Null, |(_, _, version)| (*version).clone()),
        ]
    });
    last.collect()
}

/// Reads a list as these fields of each.
fn read(service: &Service, target: &str, fields: [&str; 4]) -> Vec<[Value; 4]> {
    let listed = service.get(target).expect(200);
    listed.as_array().unwrap().iter().map(|each| fields.map(|field| each[field].clone())).collect()
}

pub fn check(service: &Service, components: &[String], known: &BTreeMap<i64, Own>, measured: &BTreeMap<i64, Value>) {
    for component in components {
        let expected = deploys(component, known, measured);
        let target = format!("/api/deploys?limit=1000&component={component}");
        let mut listed = read(service, &target, ["state", "start_id", "finish_id", "duration_seconds"]);
        for deploy in listed.iter_mut().filter(|deploy| deploy[0] == "stale") {
            // What runs since the first of January, and what runs since now, is the same to the rules of measuring.
            deploy[0] = "running".into();
        }
        assert_eq!(listed, expected, "deploys of {known:#?}");
        let target = format!("/api/current?component={component}");
        let listed = read(service, &target, ["environment", "finish_id", "version", "previous_version"]);
        assert_eq!(listed, current(component, known), "what runs after {known:#?}");
    }
}
