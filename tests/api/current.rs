//! `/api/current`: the version that runs in each environment.

use serde_json::{Value, json};

use crate::harness::{Service, deployed_with, percent_encode};

/// Records a start or a finish of a deploy at this second, with further fields.
fn record(service: &Service, status: &str, version: &str, second: u8, further: &Value) -> Value {
    let mut fields = json!({"status": status, "version": version});
    let field = if status == "started" { "started_at" } else { "finished_at" };
    fields[field] = format!("2026-01-01T10:00:{second:02}Z").into();
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    service.record(&deployed_with(&fields))
}

#[track_caller]
fn current(service: &Service, query: &str) -> Vec<Value> {
    service.get(&format!("/api/current?{query}")).expect(200).as_array().expect("an array").clone()
}

/// Component, environment, version and previous version of each entry; an absent field is an empty string.
#[track_caller]
fn versions(service: &Service, query: &str) -> Vec<[String; 4]> {
    let fields = ["component", "environment", "version", "previous_version"];
    let texts_of = |entry: Value| fields.map(|field| entry[field].as_str().unwrap_or_default().to_owned());
    current(service, query).into_iter().map(texts_of).collect()
}

/// The version that runs in production, and the one that ran before it.
#[track_caller]
fn version_and_previous(service: &Service) -> [String; 2] {
    let [[_, _, version, previous]] = versions(service, "component=web&environment=production")
        .try_into()
        .unwrap_or_else(|entries| panic!("not exactly one entry: {entries:?}"));
    [version, previous]
}

fn production() -> Value {
    json!({"environment": "production"})
}

#[test]
fn the_current_version_is_the_last_succeeded_deploy_with_its_owner_time_and_previous_version() {
    let service = Service::start();
    assert_eq!(current(&service, ""), [Value::Null; 0]);
    record(&service, "deployed", "1", 1, &production());
    let start = json!({"environment": "production", "run": "job#2", "url": "https://ci.example.org/2"});
    let started = record(&service, "started", "2", 5, &start);
    let finish = json!({"environment": "production", "run": "job#2", "owner": "bob"});
    let finished = record(&service, "live", "2", 9, &finish);
    let expected = json!({
        "component": "web", "version": "2", "environment": "production", "owner": "bob", "run": "job#2",
        "previous_version": "1", "since": "2026-01-01T10:00:09.000000Z", "url": "https://ci.example.org/2",
        "phase": "succeeded", "status": "live", "started_at": "2026-01-01T10:00:05.000000Z",
        "finished_at": "2026-01-01T10:00:09.000000Z", "duration_seconds": 4.0, "state": "finished",
        "start_id": started["id"], "finish_id": finished["id"],
    });
    assert_eq!(current(&service, ""), [expected]);
}

#[test]
fn only_a_succeeded_deploy_changes_the_current_version() {
    let service = Service::start();
    record(&service, "deployed", "1", 1, &production());
    for (second, status) in ["failed", "cancelled", "done", "skipped", "rolled_back", "started"].iter().enumerate() {
        record(&service, status, "2", 10 + u8::try_from(second).unwrap(), &production());
        assert_eq!(version_and_previous(&service), ["1", ""], "{status}");
    }
    record(&service, "deployed", "2", 30, &json!({"environment": "production", "stage": "Deploy"}));
    assert_eq!(version_and_previous(&service), ["1", ""], "a stage");
    record(&service, "deployed", "3", 40, &production());
    assert_eq!(version_and_previous(&service), ["3", "1"], "a version whose deploy failed never ran");
    record(&service, "failed", "4", 41, &json!({"environment": "elsewhere"}));
    assert_eq!(versions(&service, "").len(), 1, "an environment without a succeeded deploy is not listed");
}

#[test]
fn the_last_deploy_is_the_last_to_finish_not_the_last_recorded() {
    let service = Service::start();
    record(&service, "deployed", "now", 50, &production());
    record(&service, "deployed", "backfilled", 20, &production());
    assert_eq!(version_and_previous(&service), ["now", "backfilled"]);
    record(&service, "deployed", "same moment", 50, &production());
    assert_eq!(version_and_previous(&service), ["same moment", "now"], "at the same moment the lower id comes first");
}

#[test]
fn the_previous_version_differs_from_the_current_one_after_a_redeploy_and_a_rollback() {
    let service = Service::start();
    // A, A again, B, B again, then back to A: now B is the previous version.
    for (second, version, expected) in
        [(1, "A", ["A", ""]), (2, "A", ["A", ""]), (3, "B", ["B", "A"]), (4, "B", ["B", "A"]), (5, "A", ["A", "B"])]
    {
        let finished = record(&service, "deployed", version, second, &production());
        assert_eq!(version_and_previous(&service), expected, "after {second}");
        assert_eq!(current(&service, "")[0]["since"], finished["finished_at"], "since the last deploy");
    }
}

#[test]
fn changing_or_deleting_a_record_changes_the_current_version() {
    let service = Service::start();
    record(&service, "deployed", "1", 1, &production());
    let id = record(&service, "deployed", "2", 2, &production())["id"].clone();
    service.send_json("PATCH", &format!("/api/{id}"), r#"{"status":"failed"}"#).expect(200);
    assert_eq!(version_and_previous(&service), ["1", ""]);
    service.send_json("PATCH", &format!("/api/{id}"), r#"{"status":"ok"}"#).expect(200);
    assert_eq!(version_and_previous(&service), ["2", "1"]);
    assert_eq!(service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
    assert_eq!(version_and_previous(&service), ["1", ""]);
}

/// Deploys three components without an environment and to two environments; one of these deploys fails. Returns component
/// and environment of those that succeeded.
fn deploy_everywhere(service: &Service) -> Vec<[&'static str; 2]> {
    let mut deployed = Vec::new();
    for component in ["api", "é & more", "web"] {
        for environment in ["", "prod/eu", "staging"] {
            let has_failed = [component, environment] == ["api", "prod/eu"];
            let status = if has_failed { "failed" } else { "deployed" };
            let environment_or_none = Some(environment).filter(|environment| !environment.is_empty());
            record(service, status, "1", 1, &json!({"component": component, "environment": environment_or_none}));
            if !has_failed {
                deployed.push([component, environment]);
            }
        }
    }
    deployed
}

#[test]
fn every_component_and_environment_has_its_own_version_and_a_missing_environment_counts_as_one() {
    let service = Service::start();
    let mut expected = deploy_everywhere(&service);
    let listed = versions(&service, "");
    let mut listed: Vec<_> = listed.iter().map(|[component, environment, ..]| [&component[..], environment]).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for (query, count) in [
        ("component=api".to_owned(), 2),
        ("environment=prod%2Feu".to_owned(), 2),
        (format!("component={}&environment=staging", percent_encode("é & more")), 1),
        ("component=api&environment=prod%2Feu".to_owned(), 0),
        ("component=ap".to_owned(), 0),
        ("environment=nowhere".to_owned(), 0),
    ] {
        assert_eq!(versions(&service, &query).len(), count, "{query}");
    }
}

#[test]
fn pages_are_complete_while_deploys_arrive() {
    let service = Service::start();
    deploy_everywhere(&service);
    for (query, count) in [("", 8), ("environment=staging&", 3), ("component=web&", 3)] {
        let whole = versions(&service, query);
        assert_eq!(whole.len(), count, "{query}");
        for limit in 1..=count {
            let mut target = format!("/api/current?{query}limit={limit}");
            let mut listed = Vec::new();
            loop {
                let response = service.get(&target);
                let page = response.expect(200).as_array().unwrap().clone();
                assert!(page.len() == limit || response.next_page().is_none(), "{target}");
                listed.extend(page);
                let Some(next) = response.next_page() else { break };
                target = next.to_owned();
                assert!(target.starts_with("/api/current?"), "{target}");
                // A new deploy does not change the order: the list is sorted by component and environment.
                record(&service, "deployed", "1", 2, &json!({"environment": "staging"}));
            }
            let names: Vec<_> = listed.iter().map(|entry| [&entry["component"], &entry["environment"]]).collect();
            let texts = names.iter().map(|name| name.map(|text| text.as_str().unwrap_or_default()));
            assert!(texts.eq(whole.iter().map(|[c, e, ..]| [c.as_str(), e])), "{query} {limit} {names:?}");
        }
    }
}

#[test]
fn all_invalid_parameters_are_listed_together() {
    let service = Service::start();
    let query = "component=&environment=%00&limit=1001&cursor=x&owner=ann&since=2026-01-01T00:00:00Z";
    let mut fields = service.get(&format!("/api/current?{query}")).bad_fields(400);
    fields.sort_unstable();
    assert_eq!(fields, ["component", "cursor", "environment", "limit", "owner", "since"]);
    assert_eq!(service.get("/api/current?limit=1&limit=1").bad_fields(400), ["limit"]);
    for cursor in ["c", "c61", "c6-", "c00-", "cff-", "d61-61", "cC3A9-"] {
        assert_eq!(service.get(&format!("/api/current?cursor={cursor}")).bad_fields(400), ["cursor"], "{cursor}");
    }
    let csv = service.request("GET", "/api/current", &[("accept", "text/csv")], None);
    assert!(csv.problem(406).contains("application/json"));
}
