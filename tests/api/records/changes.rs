//! PUT, PATCH and DELETE.

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Service, deployed_with};

/// A record with every field that a sender can set, and its path.
fn full_record(service: &Service) -> (Value, String) {
    let record = service.record(&deployed_with(&json!({
        "status": "queued", "environment": "production", "run": "job#1", "stage": "eu", "url": "https://ci/1",
        "commit": "abc", "committed_at": "2026-01-01T00:00:00Z", "unplanned": false,
        "started_at": "2026-01-02T00:00:00Z", "finished_at": "2026-01-03T00:00:00Z"
    })));
    let path = format!("/api/{}", record["id"]);
    (record, path)
}

/// The record without `updated_at`, which every change sets.
fn without_updated_at(record: &Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().remove("updated_at").expect("updated_at");
    record
}

const OPTIONAL: [&str; 7] = ["environment", "run", "stage", "url", "commit", "committed_at", "unplanned"];

#[test]
fn put_replaces_what_the_sender_set() {
    let service = Service::start();
    let (old, path) = full_record(&service);
    let body = json!({ "component": "db", "version": "3", "owner": "bob", "status": "deployed", "run": "job#2" });
    let new = service.send_json("PUT", &path, &body.to_string()).expect(200);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&new[field], value);
    }
    for field in OPTIONAL.iter().filter(|field| **field != "run") {
        assert_eq!(new.get(*field), None, "{field}");
    }
    assert_eq!((&new["id"], &new["recorded_at"]), (&old["id"], &old["recorded_at"]));
    assert!(new["updated_at"].as_str() > old["updated_at"].as_str());
    assert_eq!(service.read(&old["id"]), new);
}

#[test]
fn put_requires_the_four_required_fields() {
    let service = Service::start();
    let (old, path) = full_record(&service);
    let fields = service.send_json("PUT", &path, "{}").bad_fields(400);
    assert_eq!(fields, ["component", "version", "owner", "status"]);
    for field in fields {
        let response = service.send_json("PUT", &path, &deployed_with(&json!({ &field: null })));
        assert_eq!(response.problem(400), format!("{field} is missing"));
    }
    assert_eq!(service.read(&old["id"]), old);
}

#[test]
fn patch_changes_only_the_given_fields() {
    let service = Service::start();
    let (mut expected, path) = full_record(&service);
    for (field, value) in [
        ("component", json!("db")),
        ("version", json!("3")),
        ("owner", json!("bob")),
        ("status", json!("pending")),
        ("environment", json!("staging")),
        ("run", json!("job#2")),
        ("stage", json!("us")),
        ("url", json!("https://ci/2")),
        ("commit", json!("def")),
        ("committed_at", json!("2026-02-01T00:00:00.000000Z")),
        ("unplanned", json!(true)),
        ("started_at", json!("2026-02-02T00:00:00.000000Z")),
        ("finished_at", json!("2026-02-03T00:00:00.000000Z")),
    ] {
        let changed = service.send_json("PATCH", &path, &json!({ field: value }).to_string()).expect(200);
        expected[field] = value;
        assert_eq!(without_updated_at(&changed), without_updated_at(&expected));
        assert_eq!(service.read(&expected["id"]), changed);
    }
    assert_eq!(without_updated_at(&service.send_json("PATCH", &path, "{}").expect(200)), without_updated_at(&expected));
}

#[test]
fn null_in_a_patch_unsets_an_optional_field() {
    let service = Service::start();
    let (mut expected, path) = full_record(&service);
    for field in OPTIONAL.into_iter().chain(["started_at", "finished_at"]) {
        let changed = service.send_json("PATCH", &path, &json!({ field: null }).to_string()).expect(200);
        expected.as_object_mut().unwrap().remove(field).expect("it was set");
        assert_eq!(without_updated_at(&changed), without_updated_at(&expected));
    }
}

#[test]
fn a_required_field_cannot_be_unset_by_a_patch() {
    let service = Service::start();
    let (old, path) = full_record(&service);
    for field in ["component", "version", "owner", "status"] {
        for unset in [Value::Null, json!(""), json!(" ")] {
            let response = service.send_json("PATCH", &path, &json!({ field: unset, "run": "x" }).to_string());
            assert_eq!(response.bad_fields(400), [field]);
        }
    }
    assert_eq!(service.read(&old["id"]), old);
}

#[test]
fn patch_accepts_merge_patch_json_and_json() {
    let service = Service::start();
    let (_, path) = full_record(&service);
    for (version, content_type) in [
        ("a", "application/merge-patch+json"),
        ("b", "application/json"),
        ("c", "application/json; charset=utf-8"),
        ("d", "Application/Merge-Patch+JSON"),
    ] {
        let body = json!({ "version": version }).to_string();
        let response = service.request("PATCH", &path, &[("content-type", content_type)], Some(&body));
        assert_eq!(response.expect(200)["version"], version);
    }
    for content_type in ["application/json-patch+json", "application/x-ndjson", "text/plain"] {
        service.request("PATCH", &path, &[("content-type", content_type)], Some("{}")).problem(415);
    }
}

#[test]
fn a_rejected_change_changes_nothing() {
    let service = Service::start();
    let (old, path) = full_record(&service);
    for body in [r#"{"version":"9","colour":"red"}"#, r#"{"version":"9","run":"a\u0007"}"#, r#"{"version":"9""#] {
        service.send_json("PATCH", &path, body).problem(400);
    }
    service.send_json("PUT", &path, &deployed_with(&json!({ "version": "9", "url": "x" }))).problem(400);
    assert_eq!(service.read(&old["id"]), old);
}

#[test]
fn a_record_that_was_read_can_be_sent_back_by_put() {
    let service = Service::start();
    let bodies = [
        json!({ "status": "started", "run": "r" }),
        json!({ "status": "failed", "run": "r", "environment": "e", "unplanned": true }),
        json!({ "status": "queued", "started_at": "2026-01-01T00:00:00Z" }),
        json!({ "finished_at": "2026-01-01T00:00:00Z", "started_at": "2026-01-02T00:00:00Z" }),
        json!({ "version": "none" }),
    ];
    for body in bodies {
        let record = service.record(&deployed_with(&body));
        let sent_back = service.send_json("PUT", &format!("/api/{}", record["id"]), &record.to_string()).expect(200);
        assert_eq!(without_updated_at(&sent_back), without_updated_at(&record));
    }
}

#[test]
fn delete_returns_204_and_the_record_is_gone() {
    let service = Service::start();
    let (old, path) = full_record(&service);
    let other = service.record(DEPLOYED);
    let response = service.request("DELETE", &path, &[], None);
    assert_eq!((response.status, response.body.as_str(), response.header("content-length")), (204, "", None));
    service.get(&path).problem(404);
    service.request("DELETE", &path, &[], None).problem(404);
    service.send_json("PUT", &path, &old.to_string()).problem(404);
    service.send_json("PATCH", &path, "{}").problem(404);
    assert_eq!(service.all_records(), [other]);
}

#[test]
fn an_id_is_never_used_twice() {
    let service = Service::start();
    let mut last = 0;
    for _ in 0..3 {
        let id = service.record(DEPLOYED)["id"].as_i64().unwrap();
        assert!((last + 1..1 << 53).contains(&id));
        last = id;
        assert_eq!(service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
    }
}

#[test]
fn ids_end_at_2_to_the_53rd_minus_1() {
    let database = Database::new();
    let service = Service::with_settings(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LOG_LEVEL", "off")]);
    database.sql("select setval('record_id', 9007199254740990)");
    let record = service.record(DEPLOYED);
    assert_eq!(record["id"], 9_007_199_254_740_991_u64);
    assert_eq!(service.read(&record["id"]), record);
    assert!(service.post(DEPLOYED).status >= 500);
    assert_eq!(service.all_records(), [record]);
}

#[test]
fn every_call_on_an_unknown_or_invalid_id_returns_404() {
    let service = Service::start();
    service.record(DEPLOYED);
    for id in ["2", "0", "-1", "+1", "01", "1.0", "1e0", "x", "%20", "9007199254740993", "99999999999999999999", "1/"] {
        let path = format!("/api/{id}");
        service.get(&path).problem(404);
        service.send_json("PUT", &path, DEPLOYED).problem(404);
        service.send_json("PATCH", &path, r#"{"version":"x"}"#).problem(404);
        service.request("DELETE", &path, &[], None).problem(404);
        assert_eq!(service.request("HEAD", &path, &[], None).status, 404);
    }
    assert_eq!(service.all_records().len(), 1);
}
