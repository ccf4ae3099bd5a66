//! `Idempotency-Key`: a repeated delivery creates one record only.

mod in_flight;
mod ndjson;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Response, Service, deployed_with};

/// Posts a record with an `Idempotency-Key`.
fn deliver(service: &Service, key: &str, body: &str) -> Response {
    service.request("POST", "/api/", &[("content-type", "application/json"), ("idempotency-key", key)], Some(body))
}

/// Asserts that this is a replay and returns the record.
#[track_caller]
fn expect_replay(response: &Response) -> Value {
    let record = response.expect(200);
    assert_eq!(response.header("idempotent-replayed"), Some("true"));
    record
}

/// A record with every field that a sender can set.
fn all_fields() -> Value {
    json!({
        "component": "web", "version": "2.1", "owner": "ann", "status": "failed", "environment": "production",
        "run": "job#1", "stage": "eu", "url": "https://ci/1", "commit": "abc", "committed_at": "2026-01-01T00:00:00Z",
        "unplanned": true, "waited_seconds": 5.5, "started_at": "2026-01-02T00:00:00.25Z",
        "finished_at": "2026-01-03T00:00:00Z"
    })
}

/// Another value for each of these fields except the component.
const OTHER_VALUES: [(&str, &str); 13] = [
    ("version", "\"2.2\""),
    ("owner", "\"bob\""),
    ("status", "\"deployed\""),
    ("environment", "\"staging\""),
    ("run", "\"job#2\""),
    ("stage", "\"us\""),
    ("url", "\"https://ci/2\""),
    ("commit", "\"def\""),
    ("committed_at", "\"2026-01-01T00:00:01Z\""),
    ("unplanned", "false"),
    ("waited_seconds", "5.501"),
    ("started_at", "\"2026-01-02T00:00:00.250001Z\""),
    ("finished_at", "\"2026-01-03T00:00:00+01:00\""),
];

#[test]
fn the_same_key_and_content_returns_the_record_with_200_and_idempotent_replayed() {
    let service = Service::start();
    for body in
        [DEPLOYED.to_owned(), all_fields().to_string(), deployed_with(&json!({ "status": "started", "run": "r" }))]
    {
        let key = body.len().to_string();
        let first = deliver(&service, &key, &body);
        let record = first.expect(201);
        assert_eq!(first.header("idempotent-replayed"), None);
        for _ in 0..2 {
            let again = deliver(&service, &key, &body);
            assert_eq!(expect_replay(&again), record);
            assert_eq!(again.header("etag"), first.header("etag"));
        }
    }
    assert_eq!(service.all_records().len(), 3);
}

#[test]
fn a_replay_returns_the_current_record() {
    let service = Service::start();
    let stop = deployed_with(&json!({ "finished_at": "2026-01-01T00:01:00Z" }));
    let first = deliver(&service, "k", &stop).expect(201);
    assert_eq!(first["duration_missing"], "no start record");
    service.record(&deployed_with(&json!({ "status": "started", "started_at": "2026-01-01T00:00:00Z" })));
    assert_eq!(expect_replay(&deliver(&service, "k", &stop))["duration_seconds"], 60.0);
    let changed = service.send_json("PATCH", &format!("/api/{}", first["id"]), r#"{"owner":"bob"}"#).expect(200);
    assert_eq!(expect_replay(&deliver(&service, "k", &stop)), changed);
}

#[test]
fn the_same_key_with_other_content_gets_422_naming_the_fields_that_differ() {
    let service = Service::start();
    let first = deliver(&service, "k", &all_fields().to_string()).expect(201);
    let mut all = all_fields();
    for (field, value) in OTHER_VALUES {
        let value: Value = serde_json::from_str(value).unwrap();
        all[field] = value.clone();
        for other in [value, Value::Null] {
            let mut body = all_fields();
            body[field] = other;
            if ["version", "owner", "status"].contains(&field) && body[field].is_null() {
                continue;
            }
            let response = deliver(&service, "k", &body.to_string());
            assert_eq!(response.bad_fields(422), [field]);
            assert!(response.problem(422).contains(field));
            assert_eq!(response.json()["title"], "Unprocessable Content");
        }
    }
    assert_eq!(deliver(&service, "k", &all.to_string()).bad_fields(422), OTHER_VALUES.map(|(field, _)| field));
    assert_eq!(service.all_records(), [first]);
}

#[test]
fn a_field_that_only_the_later_delivery_has_counts_as_different() {
    let service = Service::start();
    deliver(&service, "k", DEPLOYED).expect(201);
    for (field, value) in all_fields().as_object().unwrap() {
        if !["component", "version", "owner", "status"].contains(&field.as_str()) {
            let response = deliver(&service, "k", &deployed_with(&json!({ field: value })));
            assert_eq!(response.bad_fields(422), [field.as_str()]);
        }
    }
}

#[test]
fn content_is_compared_after_parsing() {
    let service = Service::start();
    let sent =
        r#"{"component":"web","version":"2","owner":"å","status":"deployed","finished_at":"2026-01-01T10:00:00Z"}"#;
    let record = deliver(&service, "k", sent).expect(201);
    for same in [
        r#"{"finished_at":"2026-01-01T10:00:00+00:00","component":"web","version":"2","owner":"å","status":"deployed"}"#,
        r#"{"component":"web","version":"2","owner":"\u00e5","status":"deployed","finished_at":"2026-01-01T12:00:00.0+02:00"}"#,
        r#" { "component" : "web","version":"2","owner":"å","status":"deployed","finished_at":"2026-01-01T10:00:00.000000Z",
            "run":null,"url":" ","unplanned":null } "#,
    ] {
        assert_eq!(expect_replay(&deliver(&service, "k", same)), record);
    }
    for (other, field) in [
        (sent.replace("deployed", "Deployed"), "status"),
        (sent.replace("deployed", "ok"), "status"),
        (sent.replace("web\",\"version\":\"2", "web\",\"version\":\"2 "), "version"),
        (sent.replace("10:00:00Z", "10:00:00.000001Z"), "finished_at"),
    ] {
        assert_eq!(deliver(&service, "k", &other).bad_fields(422), [field], "{other}");
    }
}

#[test]
fn the_content_of_the_first_delivery_counts_even_after_a_change() {
    let service = Service::start();
    for (method, key) in [("PATCH", "a"), ("PUT", "b")] {
        let record = deliver(&service, key, DEPLOYED).expect(201);
        let path = format!("/api/{}", record["id"]);
        let changed =
            service.send_json(method, &path, &deployed_with(&json!({ "version": "3", "run": "r" }))).expect(200);
        assert_eq!(expect_replay(&deliver(&service, key, DEPLOYED)), changed, "{method}");
        let other = deployed_with(&json!({ "version": "4", "run": "r" }));
        assert_eq!(deliver(&service, key, &other).bad_fields(422), ["version"], "{method}");
    }
}

#[test]
fn content_that_equals_the_changed_record_gets_422_saying_that_the_record_was_changed() {
    let service = Service::start();
    let record = deliver(&service, "k", DEPLOYED).expect(201);
    service.send_json("PATCH", &format!("/api/{}", record["id"]), r#"{"version":"3"}"#).expect(200);
    let response = deliver(&service, "k", &deployed_with(&json!({ "version": "3" })));
    assert!(response.problem(422).contains("changed since"), "{response:?}");
    for field in response.bad_fields(422) {
        assert_eq!(record.get(&field), None, "{field} does not differ");
    }
}

#[test]
fn a_key_has_1_to_200_visible_ascii_characters_and_optional_quotes() {
    let service = Service::start();
    let long = "k".repeat(200);
    let all_characters: String = ('!'..='~').collect();
    for (key, same) in [
        ("k", "\"k\""),
        (long.as_str(), &format!("\"{long}\"")),
        (all_characters.as_str(), &format!("\"{all_characters}\"")),
        ("\"job#1/a:b\"", "job#1/a:b"),
    ] {
        let record = deliver(&service, key, DEPLOYED).expect(201);
        assert_eq!(expect_replay(&deliver(&service, same, DEPLOYED)), record, "{key}");
    }
    let too_long = "k".repeat(201);
    for key in ["", "\"\"", "a b", "\"a b\"", "a\tb", "clé", &too_long, &format!("\"{too_long}\"")] {
        assert_eq!(deliver(&service, key, DEPLOYED).bad_fields(400), ["Idempotency-Key"], "{key}");
    }
    let twice = [("content-type", "application/json"), ("idempotency-key", "x"), ("idempotency-key", "x")];
    assert_eq!(service.request("POST", "/api/", &twice, Some(DEPLOYED)).bad_fields(400), ["Idempotency-Key"]);
    assert_eq!(service.all_records().len(), 4);
}

#[test]
fn keys_are_case_sensitive() {
    let service = Service::start();
    for key in ["key", "Key", "KEY", "key_", "'key'"] {
        deliver(&service, key, DEPLOYED).expect(201);
    }
}

#[test]
fn a_key_belongs_to_its_component() {
    let service = Service::start();
    let db = deployed_with(&json!({ "component": "db", "version": "5" }));
    let (first, second) = (deliver(&service, "k", DEPLOYED).expect(201), deliver(&service, "k", &db).expect(201));
    assert_eq!(expect_replay(&deliver(&service, "k", DEPLOYED)), first);
    assert_eq!(expect_replay(&deliver(&service, "k", &db)), second);
}

#[test]
fn delete_frees_the_key() {
    let service = Service::start();
    let first = deliver(&service, "k", DEPLOYED).expect(201);
    assert_eq!(service.request("DELETE", &format!("/api/{}", first["id"]), &[], None).status, 204);
    let other = deployed_with(&json!({ "version": "3" }));
    let second = deliver(&service, "k", &other).expect(201);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(expect_replay(&deliver(&service, "k", &other)), second);
}

#[test]
fn a_change_of_component_frees_the_key() {
    let service = Service::start();
    for (method, key) in [("PATCH", "a"), ("PUT", "b")] {
        let first = deliver(&service, key, DEPLOYED).expect(201);
        let path = format!("/api/{}", first["id"]);
        service.send_json(method, &path, &deployed_with(&json!({ "component": "db" }))).expect(200);
        let second = deliver(&service, key, &deployed_with(&json!({ "version": "3" }))).expect(201);
        assert_ne!(first["id"], second["id"]);
        // The key did not move with the record and does not return with it.
        deliver(&service, key, &deployed_with(&json!({ "component": "db", "version": "4" }))).expect(201);
        service.send_json(method, &path, DEPLOYED).expect(200);
        assert_eq!(deliver(&service, key, DEPLOYED).bad_fields(422), ["version"]);
    }
}

#[test]
fn a_refused_delivery_does_not_use_its_key() {
    let service = Service::start();
    deliver(&service, "k", &deployed_with(&json!({ "colour": "red" }))).problem(400);
    deliver(&service, "k", DEPLOYED).expect(201);
}

#[test]
fn deliveries_without_a_key_create_a_record_each() {
    let service = Service::start();
    assert_ne!(service.record(DEPLOYED)["id"], service.record(DEPLOYED)["id"]);
}
