//! The pairing rules, one by one. `model` then tests random sequences of operations.

mod changes;
mod model;
pub mod steps;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Service};

/// A record of the component `web` with these fields.
fn web(fields: &Value) -> String {
    let mut record = json!({"component": "web", "version": "1", "owner": "ann"});
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record.to_string()
}

fn start(at: &str) -> String {
    web(&json!({"status": "started", "started_at": at}))
}

fn stop(at: &str) -> String {
    web(&json!({"status": "deployed", "finished_at": at}))
}

/// A time of day on a fixed date.
fn at(clock: &str) -> String {
    format!("2026-01-01T{clock}Z")
}

#[test]
fn two_plain_calls_measure_a_deploy_without_passing_an_id() {
    let service = Service::start();
    let started = service.record(&web(&json!({"status": "started"})));
    assert_eq!(started["started_at"], started["recorded_at"], "the clock of the database");
    let finished = service.record(&web(&json!({"status": "deployed"})));
    assert_eq!(finished["start_id"], started["id"]);
    assert_eq!(finished["started_at"], started["started_at"]);
    assert_eq!(finished["finished_at"], finished["recorded_at"]);
    let seconds = finished["duration_seconds"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&seconds), "{seconds}");
}

#[test]
fn a_duration_is_finish_minus_start_rounded_to_milliseconds() {
    let service = Service::start();
    service.record(&start(&at("10:00:00.0004")));
    let finished = service.record(&stop(&at("10:01:30.2509")));
    assert_eq!(finished["duration_seconds"], 90.251);
}

#[test]
fn the_table_holds_the_duration_the_reason_for_its_absence_and_the_start_id() {
    let database = crate::harness::Database::new();
    let service = Service::with_database(&database);
    service.record(&start(&at("10:00:00.0004")));
    service.record(&stop(&at("10:01:30.2509")));
    service.record(&stop(&at("10:02:00")));
    let columns = database.sql("select duration_seconds, duration_missing, start_id from records order by id");
    assert_eq!(columns, [["null", "null", "null"], ["90.251", "null", "1"], ["null", "no start record", "null"]]);
}

#[test]
fn each_start_is_measured_once() {
    let service = Service::start();
    service.record(&start(&at("10:00:00")));
    assert_eq!(service.record(&stop(&at("10:01:00")))["duration_seconds"], 60.0);
    let second = service.record(&stop(&at("10:02:00")));
    assert_eq!(second["duration_missing"], "no start record");
    assert_eq!(second["start_id"], Value::Null);
}

#[test]
fn the_latest_start_counts() {
    let service = Service::start();
    service.record(&start(&at("10:00:00")));
    let retry = service.record(&start(&at("10:05:00")));
    let finished = service.record(&stop(&at("10:06:00")));
    assert_eq!((&finished["start_id"], &finished["duration_seconds"]), (&retry["id"], &json!(60.0)));
}

#[test]
fn at_equal_moments_the_lower_id_comes_first() {
    let service = Service::start();
    let noon = at("12:00:00");
    let early_stop = service.record(&stop(&noon));
    let started = service.record(&start(&noon));
    let late_stop = service.record(&stop(&noon));
    assert_eq!(early_stop["duration_missing"], "no start record");
    assert_eq!(service.read(&early_stop["id"])["duration_missing"], "no start record");
    assert_eq!((&late_stop["start_id"], &late_stop["duration_seconds"]), (&started["id"], &json!(0.0)));
}

#[test]
fn a_deploy_is_identified_by_component_environment_run_and_stage() {
    let service = Service::start();
    let base = json!({"environment": "production", "run": "job#1", "stage": "Build"});
    let with = |change: Value, status: &str| {
        let mut record = base.clone();
        record.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        record["status"] = status.into();
        web(&record)
    };
    service.record(&with(json!({}), "started"));
    for other in [
        json!({"component": "api"}),
        json!({"environment": "staging"}),
        json!({"environment": null}),
        json!({"run": "job#2"}),
        json!({"run": null}),
        json!({"stage": "Test"}),
        json!({"stage": null}),
    ] {
        let finished = service.record(&with(other.clone(), "deployed"));
        assert_eq!(finished["duration_missing"], "no start record", "{other}");
    }
    let finished = service.record(&with(json!({"version": "2", "owner": "bob"}), "deployed"));
    assert!(finished["duration_seconds"].is_number(), "with a run, the version can change between start and finish");
}

#[test]
fn without_a_run_a_deploy_is_identified_by_its_version_too() {
    let service = Service::start();
    service.record(&web(&json!({"status": "started"})));
    let other = service.record(&web(&json!({"status": "deployed", "version": "2"})));
    assert_eq!(other["duration_missing"], "no start record");
}

#[test]
fn a_record_with_both_times_takes_no_start_from_another() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    let complete = web(&json!({"status": "ok", "started_at": at("10:01:00"), "finished_at": at("10:03:00")}));
    let complete = service.record(&complete);
    assert_eq!((&complete["duration_seconds"], &complete["start_id"]), (&json!(120.0), &Value::Null));
    let between = service.record(&stop(&at("10:02:00")));
    assert_eq!(between["start_id"], started["id"], "its moment is its finish");
    let after = service.record(&stop(&at("10:04:00")));
    assert_eq!(after["duration_missing"], "no start record", "for its neighbours it is a finish like any other");
}

#[test]
fn a_finish_before_its_start_is_stored_without_a_duration() {
    let service = Service::start();
    let record =
        service.record(&web(&json!({"status": "ok", "started_at": at("10:01:00"), "finished_at": at("10:00:00")})));
    assert_eq!(record["duration_missing"], "finished before it started");
    assert_eq!(record["started_at"], "2026-01-01T10:01:00.000000Z");
    assert_eq!(record.get("duration_seconds"), None);
}

#[test]
fn a_late_start_completes_an_unpaired_finish() {
    let service = Service::start();
    let unpaired = service.post(&stop(&at("10:01:00")));
    let id = unpaired.json()["id"].clone();
    let started = service.record(&start(&at("10:00:00")));
    let completed = service.get(&format!("/api/{id}"));
    assert_eq!(completed.json()["start_id"], started["id"]);
    assert_eq!(completed.json()["duration_seconds"], 60.0);
    assert_ne!(completed.json()["updated_at"], unpaired.json()["updated_at"]);
    assert_ne!(completed.header("etag"), unpaired.header("etag"));
}

#[test]
fn a_late_finish_takes_its_start_back_from_a_later_finish() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    let later = service.record(&stop(&at("10:09:00")));
    assert_eq!(later["start_id"], started["id"]);
    let late = service.record(&stop(&at("10:01:00")));
    assert_eq!((&late["start_id"], &late["duration_seconds"]), (&started["id"], &json!(60.0)));
    let unpaired = service.read(&later["id"]);
    assert_eq!((&unpaired["duration_missing"], &unpaired["start_id"]), (&json!("no start record"), &Value::Null));
    assert_eq!(unpaired.get("started_at"), None);
}

#[test]
fn each_attempt_of_a_retried_stage_is_measured_from_its_own_start() {
    let service = Service::start();
    let stage = |status: &str, field: &str, clock: &str| {
        web(&json!({"run": "job#1", "stage": "Test", "status": status, field: at(clock)}))
    };
    service.record(&stage("started", "started_at", "10:00:00"));
    assert_eq!(service.record(&stage("failed", "finished_at", "10:00:10"))["duration_seconds"], 10.0);
    service.record(&stage("started", "started_at", "10:00:20"));
    assert_eq!(service.record(&stage("succeeded", "finished_at", "10:00:25"))["duration_seconds"], 5.0);
}

#[test]
fn noted_and_skipped_records_keep_their_times_and_do_not_affect_pairing() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    for status in ["queued", "rolled_back", "skipped", "not_built"] {
        let times = json!({"status": status, "started_at": at("10:00:10"), "finished_at": at("10:00:20")});
        let record = service.record(&web(&times));
        assert_eq!(record["finished_at"], "2026-01-01T10:00:20.000000Z", "{status}");
        assert_eq!((record.get("duration_seconds"), record.get("duration_missing")), (None, None), "{status}");
    }
    assert_eq!(service.record(&stop(&at("10:01:00")))["start_id"], started["id"]);
}

#[test]
fn finished_at_with_a_status_that_starts_the_clock_is_an_error() {
    let service = Service::start();
    let response = service.post(&web(&json!({"status": "deploying", "finished_at": at("10:00:00")})));
    assert_eq!(response.bad_fields(400), ["finished_at"]);
}

#[test]
fn a_moment_more_than_a_day_in_the_future_is_an_error() {
    let service = Service::start();
    let ahead = |hours: i64| (chrono::Utc::now() + chrono::TimeDelta::hours(hours)).to_rfc3339();
    for (status, field) in [("started", "started_at"), ("deployed", "finished_at")] {
        assert_eq!(service.post(&web(&json!({"status": status, field: ahead(25)}))).bad_fields(400), [field]);
        service.record(&web(&json!({"status": status, field: ahead(23)})));
    }
    service.record(&web(&json!({"status": "planned", "started_at": ahead(1000)})));
}

#[test]
fn a_start_and_its_finish_in_one_ndjson_body_are_paired() {
    let service = Service::start();
    let lines =
        [stop(&at("10:01:00")), start(&at("10:00:00")), stop(&at("10:02:00")), start(&at("10:01:30"))].join("\n");
    let ids = service.import(&lines).expect(201)["ids"].clone();
    assert_eq!((&service.read(&ids[0])["start_id"], &service.read(&ids[2])["start_id"]), (&ids[1], &ids[3]));
    let untimed =
        [web(&json!({"component": "api", "status": "started"})), web(&json!({"component": "api", "status": "ok"}))];
    let ids = service.import(&untimed.join("\n")).expect(201)["ids"].clone();
    assert_eq!(service.read(&ids[1])["start_id"], ids[0], "in the order of the lines");
}

#[test]
fn the_service_and_the_schema_compute_the_same_deploy_digest() {
    let database = Database::new();
    let service = Service::with_database(&database);
    for optional in ["", r#","run":"job#1""#, r#","environment":"ä","stage":"a / b""#, r#","run":"r","stage":"s""#] {
        service.record(&DEPLOYED.replace('}', &format!("{optional}}}")));
    }
    let id = service.record(DEPLOYED)["id"].clone();
    service.send_json("PATCH", &format!("/api/{id}"), r#"{"run":"x","version":"other"}"#).expect(200);
    let same = "select count(*) from records where deploy = deploy_of(component, environment, run, stage, version)";
    assert_eq!(database.sql(same), [["5"]]);
    assert_eq!(database.sql("select count(distinct deploy) from records"), [["5"]]);
}
