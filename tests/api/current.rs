//! What runs where.

use serde_json::{Value, json};

use crate::harness::{Service, deployed_with, percent_encode};

/// Records a deploy of this version there at this second, and answers the record.
fn record(service: &Service, status: &str, version: &str, second: u8, more: &Value) -> Value {
    let mut fields = json!({"status": status, "version": version});
    let field = if status == "started" { "started_at" } else { "finished_at" };
    fields[field] = format!("2026-01-01T10:00:{second:02}Z").into();
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.record(&deployed_with(&fields))
}

#[track_caller]
fn current(service: &Service, query: &str) -> Vec<Value> {
    service.get(&format!("/api/current?{query}")).expect(200).as_array().expect("an array").clone()
}

/// Each place's component, environment, version and the version before, nothing as an empty text.
#[track_caller]
fn versions(service: &Service, query: &str) -> Vec<[String; 4]> {
    let fields = ["component", "environment", "version", "previous_version"];
    let of = |place: Value| fields.map(|field| place[field].as_str().unwrap_or_default().to_owned());
    current(service, query).into_iter().map(of).collect()
}

/// The version in production and the one before.
#[track_caller]
fn version_and_previous(service: &Service) -> [String; 2] {
    let [[_, _, version, previous]] = versions(service, "component=web&environment=production")
        .try_into()
        .unwrap_or_else(|places| panic!("not one place: {places:?}"));
    [version, previous]
}

fn production() -> Value {
    json!({"environment": "production"})
}

#[test]
fn what_runs_is_the_last_succeeded_deploy_with_who_and_since_when_and_the_version_before() {
    let service = Service::start();
    assert_eq!(current(&service, ""), [Value::Null; 0]);
    record(&service, "deployed", "1", 1, &production());
    let more = json!({"environment": "production", "run": "job#2", "url": "https://ci.example.org/2"});
    let started = record(&service, "started", "2", 5, &more);
    let more = json!({"environment": "production", "run": "job#2", "owner": "bob"});
    let finished = record(&service, "live", "2", 9, &more);
    let place = json!({
        "component": "web", "version": "2", "environment": "production", "owner": "bob", "run": "job#2",
        "previous_version": "1", "since": "2026-01-01T10:00:09.000000Z", "url": "https://ci.example.org/2",
        "phase": "succeeded", "status": "live", "started_at": "2026-01-01T10:00:05.000000Z",
        "finished_at": "2026-01-01T10:00:09.000000Z", "duration_seconds": 4.0, "state": "finished",
        "start_id": started["id"], "finish_id": finished["id"],
    });
    assert_eq!(current(&service, ""), [place]);
}

#[test]
fn only_a_deploy_that_succeeded_changes_what_runs() {
    let service = Service::start();
    record(&service, "deployed", "1", 1, &production());
    for (second, status) in ["failed", "cancelled", "done", "skipped", "rolled_back", "started"].iter().enumerate() {
        record(&service, status, "2", 10 + u8::try_from(second).unwrap(), &production());
        assert_eq!(version_and_previous(&service), ["1", ""], "{status}");
    }
    record(&service, "deployed", "2", 30, &json!({"environment": "production", "stage": "Deploy"}));
    assert_eq!(version_and_previous(&service), ["1", ""], "a stage");
    record(&service, "deployed", "3", 40, &production());
    assert_eq!(version_and_previous(&service), ["3", "1"], "what failed in between never ran");
    record(&service, "failed", "4", 41, &json!({"environment": "elsewhere"}));
    assert_eq!(versions(&service, "").len(), 1, "where nothing succeeded nothing runs");
}

#[test]
fn the_last_is_the_last_to_finish_and_not_the_last_to_be_recorded() {
    let service = Service::start();
    record(&service, "deployed", "now", 50, &production());
    record(&service, "deployed", "backfilled", 20, &production());
    assert_eq!(version_and_previous(&service), ["now", "backfilled"]);
    record(&service, "deployed", "same moment", 50, &production());
    assert_eq!(version_and_previous(&service), ["same moment", "now"], "the lower id comes first");
}

#[test]
fn the_version_before_is_another_one_also_after_a_redeploy_and_a_rollback() {
    let service = Service::start();
    // A, B, B again, A again: by a rollback to A, B is what ran before it.
    for (second, version, expected) in
        [(1, "A", ["A", ""]), (2, "A", ["A", ""]), (3, "B", ["B", "A"]), (4, "B", ["B", "A"]), (5, "A", ["A", "B"])]
    {
        let finished = record(&service, "deployed", version, second, &production());
        assert_eq!(version_and_previous(&service), expected, "after {second}");
        assert_eq!(current(&service, "")[0]["since"], finished["finished_at"], "since the last deploy");
    }
}

#[test]
fn changes_and_removals_change_what_runs() {
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

/// Three components in no environment and two others, but for one that has only failed there, and the places by name.
fn places(service: &Service) -> Vec<[&'static str; 2]> {
    let mut places = Vec::new();
    for component in ["api", "é & more", "web"] {
        for environment in ["", "prod/eu", "staging"] {
            let has_failed = [component, environment] == ["api", "prod/eu"];
            let status = if has_failed { "failed" } else { "deployed" };
            let environment_or_none = Some(environment).filter(|environment| !environment.is_empty());
            record(service, status, "1", 1, &json!({"component": component, "environment": environment_or_none}));
            if !has_failed {
                places.push([component, environment]);
            }
        }
    }
    places
}

#[test]
fn every_component_and_environment_has_its_own_and_none_is_an_environment_too() {
    let service = Service::start();
    let mut expected = places(&service);
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
fn pages_follow_each_other_while_deploys_arrive() {
    let service = Service::start();
    places(&service);
    for (query, count) in [("", 8), ("environment=staging&", 3), ("component=web&", 3)] {
        let whole = versions(&service, query);
        assert_eq!(whole.len(), count, "{query}");
        for limit in 1..=count {
            let mut target = format!("/api/current?{query}limit={limit}");
            let mut listed = Vec::new();
            loop {
                let response = service.get(&target);
                let page = response.expect(200).as_array().unwrap().clone();
                assert!(page.len() == limit || response.header("link").is_none(), "{target}");
                listed.extend(page);
                let Some(link) = response.header("link") else { break };
                target = link.trim_start_matches('<').trim_end_matches(r#">; rel="next""#).to_owned();
                assert!(target.starts_with("/api/current?"), "{target}");
                // It moves no place to another page.
                record(&service, "deployed", "1", 2, &json!({"environment": "staging"}));
            }
            let names: Vec<_> = listed.iter().map(|place| [&place["component"], &place["environment"]]).collect();
            let texts = names.iter().map(|name| name.map(|text| text.as_str().unwrap_or_default()));
            assert!(texts.eq(whole.iter().map(|[c, e, ..]| [c.as_str(), e])), "{query} {limit} {names:?}");
        }
    }
}

#[test]
fn every_parameter_that_cannot_be_as_it_is_is_named_at_once() {
    let service = Service::start();
    let query = "component=&environment=%00&limit=1001&cursor=x&owner=ann&since=2026-01-01T00:00:00Z";
    let mut fields = service.get(&format!("/api/current?{query}")).bad_fields(400);
    fields.sort_unstable();
    assert_eq!(fields, ["component", "cursor", "environment", "limit", "owner", "since"]);
    assert_eq!(service.get("/api/current?limit=1&limit=1").bad_fields(400), ["limit"]);
    for none in ["c", "c61", "c6-", "c00-", "cff-", "d61-61", "cC3A9-"] {
        assert_eq!(service.get(&format!("/api/current?cursor={none}")).bad_fields(400), ["cursor"], "{none}");
    }
    let csv = service.request("GET", "/api/current", &[("accept", "text/csv")], None);
    assert!(csv.problem(406).contains("application/json"));
}
