//! `/api/deploys`: which records form a deploy, its state, and the stages of its run.

mod list;
mod stages;
mod stale;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{Database, Service, deployed_with};

/// A record with a start and a finish at these times of one day, either of them optional.
fn body_with_times(status: &str, times: [&str; 2], further: &Value) -> String {
    let mut fields = json!({ "status": status });
    for (field, time) in ["started_at", "finished_at"].into_iter().zip(times).filter(|(_, time)| !time.is_empty()) {
        fields[field] = format!("2026-01-01T{time}Z").into();
    }
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    deployed_with(&fields)
}

fn start(service: &Service, time: &str) -> Value {
    service.record(&body_with_times("started", [time, ""], &json!({})))
}

fn stop(service: &Service, time: &str) -> Value {
    service.record(&body_with_times("deployed", ["", time], &json!({})))
}

/// The time this long before now.
fn ago(time: TimeDelta) -> String {
    DateTime::to_rfc3339_opts(&(Utc::now() - time), SecondsFormat::Micros, true)
}

#[track_caller]
fn list(service: &Service, query: &str) -> Vec<Value> {
    service.get(&format!("/api/deploys?{query}")).expect(200).as_array().expect("an array").clone()
}

/// Each deploy's state, start and finish.
#[track_caller]
fn states(service: &Service, query: &str) -> Vec<(String, Value, Value)> {
    let summary = |deploy: Value| {
        (deploy["state"].as_str().unwrap().to_owned(), deploy["start_id"].clone(), deploy["finish_id"].clone())
    };
    list(service, query).into_iter().map(summary).collect()
}

/// A deploy as [`states`] returns it; null for no record.
fn state(state: &str, start: &Value, finish: &Value) -> (String, Value, Value) {
    (state.to_owned(), start.clone(), finish.clone())
}

const NONE: Value = Value::Null;

#[test]
fn a_finish_and_its_start_are_one_deploy_with_the_fields_of_both() {
    let service = Service::start();
    let link = json!({"environment": "production", "run": "job#42", "url": "https://ci.example.org/42"});
    let started = service.record(&body_with_times("rolling out", ["10:00:00", ""], &link));
    let finished = service.record(&body_with_times(
        "Failed",
        ["", "10:01:30.25"],
        &json!({"environment": "production", "run": "job#42"}),
    ));
    let deploy = json!({
        "component": "web", "version": "2.1", "environment": "production", "owner": "ann", "run": "job#42",
        "url": "https://ci.example.org/42", "phase": "failed", "status": "Failed",
        "started_at": "2026-01-01T10:00:00.000000Z", "finished_at": "2026-01-01T10:01:30.250000Z",
        "duration_seconds": 90.25, "state": "finished", "start_id": started["id"], "finish_id": finished["id"],
    });
    assert_eq!(list(&service, ""), [deploy]);
}

#[test]
fn a_deploy_takes_url_version_and_owner_from_its_finish_if_its_start_differs() {
    let service = Service::start();
    let fields =
        |url: &str, version: &str, owner: &str| json!({"run": "a", "url": url, "version": version, "owner": owner});
    service.record(&body_with_times("started", ["10:00:00", ""], &fields("https://start", "1", "ann")));
    service.record(&body_with_times("deployed", ["", "10:01:00"], &fields("https://stop", "2", "bob")));
    let deploys = list(&service, "");
    assert_eq!(deploys.len(), 1);
    let deploy = &deploys[0];
    assert_eq!([&deploy["url"], &deploy["version"], &deploy["owner"]], ["https://stop", "2", "bob"]);
}

#[test]
fn a_finish_without_a_start_is_a_deploy_without_a_duration_that_gives_the_reason() {
    let service = Service::start();
    let finished = service.record(&deployed_with(&json!({})));
    let deploy = json!({
        "component": "web", "version": "2.1", "owner": "ann", "phase": "succeeded", "status": "deployed",
        "finished_at": finished["recorded_at"], "duration_missing": "no start record", "state": "finished",
        "finish_id": finished["id"],
    });
    assert_eq!(list(&service, ""), [deploy]);
}

#[test]
fn a_start_without_a_later_record_is_running_until_a_finish_comes() {
    let service = Service::start();
    let started = service.record(&deployed_with(&json!({"status": "started"})));
    let deploy = json!({
        "component": "web", "version": "2.1", "owner": "ann", "phase": "started", "status": "started",
        "started_at": started["recorded_at"], "state": "running", "start_id": started["id"],
    });
    assert_eq!(list(&service, ""), [deploy]);
    let finished = service.record(&deployed_with(&json!({})));
    assert_eq!(states(&service, ""), [state("finished", &started["id"], &finished["id"])]);
}

#[test]
fn a_start_followed_by_another_start_is_superseded_and_remains_a_deploy() {
    let service = Service::start();
    let [first, second] = ["10:00:00", "10:05:00"].map(|time| start(&service, time)["id"].clone());
    let third = service.record(&deployed_with(&json!({"status": "started"})))["id"].clone();
    let superseded = [state("superseded", &second, &NONE), state("superseded", &first, &NONE)];
    assert_eq!(states(&service, "state=superseded"), superseded);
    assert_eq!(states(&service, "state=running"), [state("running", &third, &NONE)]);
    let finished = service.record(&deployed_with(&json!({})))["id"].clone();
    assert_eq!(states(&service, "")[0], state("finished", &third, &finished));
    assert_eq!(states(&service, "")[1..], superseded);
}

#[test]
fn a_start_followed_by_a_complete_finish_is_not_a_deploy_of_its_own() {
    let service = Service::start();
    start(&service, "10:00:00");
    let complete = service.record(&body_with_times("deployed", ["10:00:30", "10:01:00"], &json!({})));
    let [deploy] = &list(&service, "")[..] else { panic!("not one deploy") };
    assert_eq!((&deploy["finish_id"], deploy.get("start_id")), (&complete["id"], None));
    assert_eq!(deploy["duration_seconds"], 30.0);
}

#[test]
fn a_late_start_between_a_start_and_its_finish_supersedes_the_first_start() {
    let service = Service::start();
    let first = start(&service, "10:00:00")["id"].clone();
    let finished = stop(&service, "10:10:00")["id"].clone();
    assert_eq!(states(&service, ""), [state("finished", &first, &finished)]);
    let late = start(&service, "10:05:00")["id"].clone();
    let both = [state("finished", &late, &finished), state("superseded", &first, &NONE)];
    assert_eq!(states(&service, ""), both);
    assert_eq!(service.request("DELETE", &format!("/api/{late}"), &[], None).status, 204);
    assert_eq!(states(&service, ""), [state("finished", &first, &finished)]);
}

#[test]
fn a_start_is_a_deploy_of_its_own_again_when_its_finish_is_removed() {
    let service = Service::start();
    let (first, complete) =
        (start(&service, "10:00:00"), body_with_times("deployed", ["10:00:30", "10:01:00"], &json!({})));
    for stop in [body_with_times("deployed", ["", "10:01:00"], &json!({})), complete] {
        for (method, body) in [("DELETE", ""), ("PATCH", r#"{"version":"9"}"#), ("PATCH", r#"{"status":"queued"}"#)] {
            let finished = service.record(&stop)["id"].clone();
            assert_eq!(list(&service, "version=2.1").len(), 1);
            assert_eq!(list(&service, "version=2.1")[0]["finish_id"], finished);
            let response = service.send_json(method, &format!("/api/{finished}"), body);
            assert!(response.status < 300, "{response:?}");
            assert_eq!(states(&service, "version=2.1"), [state("stale", &first["id"], &NONE)], "{method} {body}");
            service.request("DELETE", &format!("/api/{finished}"), &[], None);
        }
    }
}

#[test]
fn a_put_from_started_to_deployed_finishes_the_same_deploy() {
    let service = Service::start();
    let id = start(&service, "10:00:00")["id"].clone();
    service.send_json("PUT", &format!("/api/{id}"), &deployed_with(&json!({}))).expect(200);
    assert_eq!(states(&service, ""), [state("finished", &NONE, &id)]);
    service.send_json("PUT", &format!("/api/{id}"), &deployed_with(&json!({"status": "started"}))).expect(200);
    assert_eq!(states(&service, ""), [state("stale", &id, &NONE)]);
}

#[test]
fn the_lower_id_comes_first_if_two_clock_records_have_the_same_moment() {
    let service = Service::start();
    let [one, two] = [(); 2].map(|()| start(&service, "10:00:00")["id"].clone());
    let newest_first = [state("stale", &two, &NONE), state("superseded", &one, &NONE)];
    assert_eq!(states(&service, ""), newest_first);
    let finished = stop(&service, "10:00:00")["id"].clone();
    assert_eq!(states(&service, ""), [state("finished", &two, &finished), state("superseded", &one, &NONE)]);
    assert_eq!(list(&service, "")[0]["duration_seconds"], 0.0);
}

#[test]
fn noted_skipped_and_stage_records_are_not_deploys() {
    let service = Service::start();
    for status in ["queued", "rolled_back", "skipped"] {
        service.record(&deployed_with(&json!({"status": status, "started_at": "2026-01-01T10:00:00Z"})));
    }
    for status in ["started", "deployed"] {
        service.record(&deployed_with(&json!({"status": status, "stage": "Build", "run": "a"})));
    }
    assert_eq!(list(&service, ""), [NONE; 0]);
    let running = start(&service, "10:00:00")["id"].clone();
    service.record(&deployed_with(&json!({"status": "queued"})));
    assert_eq!(states(&service, ""), [state("stale", &running, &NONE)], "a noted record does not end a deploy");
}

#[test]
fn the_open_starts_are_the_starts_that_no_finish_follows() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let open_starts = || database.sql("select id from open_starts order by id").concat();
    start(&service, "10:00:00");
    assert_eq!(open_starts(), ["1"]);
    stop(&service, "10:01:00");
    assert_eq!(open_starts(), [""; 0], "a stop closes its start");
    service.record(&body_with_times("deployed", ["10:03:00", "10:04:00"], &json!({"version": "late"})));
    service.record(&body_with_times("started", ["10:02:00", ""], &json!({"version": "late"})));
    assert_eq!(open_starts(), [""; 0], "a late start that a stop follows");
    let lines = ["started", "deployed"].map(|status| deployed_with(&json!({"status": status, "version": "both"})));
    service.import(&lines.join("\n")).expect(201);
    assert_eq!(open_starts(), [""; 0], "a start and its stop in one body");
    service.record(&deployed_with(&json!({"status": "started", "stage": "Build"})));
    assert_eq!(open_starts(), [""; 0], "a stage");
    service.import(&vec![deployed_with(&json!({"status": "started"})); 3].join("\n")).expect(201);
    assert_eq!(open_starts(), ["8", "9", "10"]);
    stop(&service, "10:00:30");
    assert_eq!(open_starts(), ["8", "9", "10"], "an earlier stop closes none of them");
    service.record(&deployed_with(&json!({})));
    assert_eq!(open_starts(), ["8", "9"], "a superseded start stays open");
}
