//! The deploys and current versions that the records of a case must give.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{harness::Service, model::OwnFields};

/// The state, start, finish and duration of each deploy, newest first.
fn deploys(component: &str, records: &BTreeMap<i64, OwnFields>, paired: &BTreeMap<i64, Value>) -> Vec<[Value; 4]> {
    let mut deploys: Vec<_> = records
        .iter()
        .filter(|(_, own)| own.text("component") == Some(component) && own.text("stage").is_none())
        .filter_map(|(id, own)| {
            let position = (own.moment()?, id);
            let deploy = if own.starts_clock() == Some(false) {
                let record = &paired[id];
                [json!("finished"), record["start_id"].clone(), json!(id), record["duration_seconds"].clone()]
            } else {
                let next = records
                    .iter()
                    .filter(|(_, other)| other.deploy() == own.deploy())
                    .filter_map(|(id, other)| Some(((other.moment()?, id), other.starts_clock()?)))
                    .filter(|(other, _)| *other > position)
                    .min();
                let state = match next {
                    None => "running",
                    Some((_, true)) => "superseded",
                    Some((_, false)) => return None,
                };
                [json!(state), json!(id), Value::Null, Value::Null]
            };
            Some((position, deploy))
        })
        .collect();
    deploys.sort_by(|(a, _), (b, _)| b.cmp(a));
    deploys.into_iter().map(|(_, deploy)| deploy).collect()
}

/// The environment, finish, version and previous version of each environment.
fn current(component: &str, records: &BTreeMap<i64, OwnFields>) -> Vec<[Value; 4]> {
    let mut environments: BTreeMap<Option<&str>, Vec<(&String, i64, &Value)>> = BTreeMap::new();
    for (id, own) in records {
        let is_live = own.text("status") == Some("deployed") && own.text("stage").is_none();
        if own.text("component") == Some(component) && is_live {
            let deploy = (own.moment().unwrap(), *id, &own.texts["version"]);
            environments.entry(own.text("environment")).or_default().push(deploy);
        }
    }
    let current = environments.into_iter().map(|(environment, mut deploys)| {
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
    current.collect()
}

/// Reads a list and returns these fields of each item.
fn read(service: &Service, target: &str, fields: [&str; 4]) -> Vec<[Value; 4]> {
    let listed = service.get(target).expect(200);
    listed.as_array().unwrap().iter().map(|each| fields.map(|field| each[field].clone())).collect()
}

pub fn check(
    service: &Service,
    components: &[String],
    records: &BTreeMap<i64, OwnFields>,
    paired: &BTreeMap<i64, Value>,
) {
    for component in components {
        let expected = deploys(component, records, paired);
        let target = format!("/api/deploys?limit=1000&component={component}");
        let mut listed = read(service, &target, ["state", "start_id", "finish_id", "duration_seconds"]);
        for deploy in listed.iter_mut().filter(|deploy| deploy[0] == "stale") {
            // The model does not distinguish deploys that run for long.
            deploy[0] = "running".into();
        }
        assert_eq!(listed, expected, "deploys of {records:#?}");
        let target = format!("/api/current?component={component}");
        let listed = read(service, &target, ["environment", "finish_id", "version", "previous_version"]);
        assert_eq!(listed, current(component, records), "current versions of {records:#?}");
    }
}
