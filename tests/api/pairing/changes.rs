//! The effect of PUT, PATCH and DELETE on times and pairing.

use serde_json::json;

use super::{at, start, stop, web};
use crate::harness::Service;

#[test]
fn put_from_started_to_deployed_finishes_the_same_record() {
    let service = Service::start();
    let started = service.record(&web(&json!({"status": "started"})));
    let finished =
        service.send_json("PUT", &format!("/api/{}", started["id"]), &web(&json!({"status": "deployed"}))).expect(200);
    assert_eq!((&finished["id"], &finished["started_at"]), (&started["id"], &started["started_at"]));
    assert_eq!(finished["finished_at"], finished["updated_at"]);
    assert!(finished["duration_seconds"].is_number());
    assert_eq!(finished.get("start_id"), None, "it has its own start time");
}

#[test]
fn put_and_patch_keep_own_times_that_they_do_not_set() {
    let service = Service::start();
    let record =
        service.record(&web(&json!({"status": "ok", "started_at": at("10:00:00"), "finished_at": at("10:01:00")})));
    let path = format!("/api/{}", record["id"]);
    let replaced = service.send_json("PUT", &path, &web(&json!({"status": "failed", "started_at": null}))).expect(200);
    let patched = service.send_json("PATCH", &path, r#"{"owner":"bob"}"#).expect(200);
    for changed in [replaced, patched] {
        assert_eq!(changed["started_at"], record["started_at"]);
        assert_eq!(changed["finished_at"], record["finished_at"]);
    }
}

#[test]
fn a_start_time_taken_from_another_record_is_not_an_own_time() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    let finished = service.record(&stop(&at("10:01:00")));
    let path = format!("/api/{}", finished["id"]);
    let moved = service.send_json("PATCH", &path, r#"{"version":"2"}"#).expect(200);
    assert_eq!(moved["duration_missing"], "no start record");
    let back = service.send_json("PUT", &path, &web(&json!({"status": "deployed"}))).expect(200);
    assert_eq!(back["start_id"], started["id"]);
}

#[test]
fn a_record_that_becomes_a_start_drops_its_finish() {
    let service = Service::start();
    let stop_at =
        |status: &str| web(&json!({"status": status, "finished_at": at("10:01:00"), "started_at": at("10:00:00")}));
    let own = service.record(&stop_at("ok"));
    let own = service.send_json("PATCH", &format!("/api/{}", own["id"]), r#"{"status":"started"}"#).expect(200);
    assert_eq!((&own["started_at"], own.get("finished_at")), (&json!("2026-01-01T10:00:00.000000Z"), None));
    let lone = service.record(&web(&json!({"component": "api", "status": "ok"})));
    let path = format!("/api/{}", lone["id"]);
    let lone = service.send_json("PATCH", &path, r#"{"status":"started"}"#).expect(200);
    assert_eq!(lone["started_at"], lone["updated_at"], "the default is now");
    let named = service.send_json("PATCH", &path, &json!({"started_at": at("09:00:00")}).to_string()).expect(200);
    assert_eq!(named["started_at"], "2026-01-01T09:00:00.000000Z");
}

#[test]
fn patching_the_start_time_of_a_finish_to_null_pairs_it_again() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    let complete = web(&json!({"status": "ok", "started_at": at("10:00:30"), "finished_at": at("10:01:00")}));
    let path = format!("/api/{}", service.record(&complete)["id"]);
    let taken = service.send_json("PATCH", &path, r#"{"started_at":null}"#).expect(200);
    assert_eq!((&taken["start_id"], &taken["duration_seconds"]), (&started["id"], &json!(60.0)));
}

#[test]
fn patching_the_moment_of_a_record_to_null_is_an_error() {
    let service = Service::start();
    let started = service.record(&start(&at("10:00:00")));
    let finished = service.record(&stop(&at("10:01:00")));
    for (record, body, field) in [
        (&started, r#"{"started_at":null}"#, "started_at"),
        (&finished, r#"{"finished_at":null}"#, "finished_at"),
        (&started, r#"{"status":"ok","finished_at":null}"#, "finished_at"),
    ] {
        assert_eq!(service.send_json("PATCH", &format!("/api/{}", record["id"]), body).bad_fields(400), [field]);
    }
}

#[test]
fn deleting_a_start_pairs_its_finish_again() {
    let service = Service::start();
    let first = service.record(&start(&at("10:00:00")));
    let second = service.record(&start(&at("10:05:00")));
    let finished = service.record(&stop(&at("10:06:00")));
    let id = &finished["id"];
    assert_eq!(service.request("DELETE", &format!("/api/{}", second["id"]), &[], None).status, 204);
    assert_eq!(service.read(id)["duration_seconds"], 360.0);
    assert_eq!(service.request("DELETE", &format!("/api/{}", first["id"]), &[], None).status, 204);
    assert_eq!(service.read(id)["duration_missing"], "no start record");
}

#[test]
fn a_noted_record_that_becomes_a_start_starts_now() {
    let service = Service::start();
    let noted = service.record(&web(&json!({"status": "queued", "started_at": at("10:00:00")})));
    let path = format!("/api/{}", noted["id"]);
    let started = service.send_json("PATCH", &path, r#"{"status":"started"}"#).expect(200);
    assert_eq!(started["started_at"], started["updated_at"]);
}

#[test]
fn a_change_without_effect_leaves_the_record_unchanged() {
    let service = Service::start();
    service.record(&start(&at("10:00:00")));
    let finished = service.record(&stop(&at("10:01:00")));
    let path = format!("/api/{}", finished["id"]);
    assert_eq!(service.send_json("PATCH", &path, "{}").expect(200), finished);
    assert_eq!(service.send_json("PUT", &path, &finished.to_string()).expect(200), finished);
}
