//! One record: recorded, read, replaced, changed, removed, and refused.

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Service};

#[test]
fn the_first_users_curl_call_works_as_it_stands() {
    let service = Service::start();
    let body = r#"{"component":"server-interface","version":"2.1","owner":"aoliveira","status":"deployed"}"#;
    let answer = service.request("POST", "/api/", &[("Content-Type", "application/json")], Some(body));
    let record = answer.expect(201);
    assert_eq!(answer.header("location"), Some("/api/1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(record["id"], 1);
    assert_eq!(record["component"], "server-interface");
    assert_eq!(record["phase"], "succeeded");
    assert_eq!(record["duration_missing"], "no start record");
    assert_eq!(record["finished_at"], record["recorded_at"]);
    assert_eq!(service.read(&record["id"]), record);
}

#[test]
fn every_field_that_the_sender_sets_comes_back() {
    let service = Service::start();
    let sent = json!({
        "component": "web", "version": "2.1", "owner": "Åsa 🚀", "status": "Rolled Back", "environment": "production",
        "run": "folder/job#42", "stage": "Deploy / eu-west", "url": "https://ci.example/job/42",
        "commit": "0123456789abcdef", "committed_at": "2026-01-02T03:04:05.678901+02:00", "unplanned": true,
        "started_at": "2026-01-02T03:04:05Z", "finished_at": "2026-01-02T03:04:06.5Z"
    });
    let record = service.record(&sent.to_string());
    for (field, value) in sent.as_object().unwrap() {
        let expected = match field.as_str() {
            "committed_at" => &json!("2026-01-02T01:04:05.678901Z"),
            "started_at" => &json!("2026-01-02T03:04:05.000000Z"),
            "finished_at" => &json!("2026-01-02T03:04:06.500000Z"),
            _ => value,
        };
        assert_eq!(&record[field], expected, "{field}");
    }
}

#[test]
fn an_unset_optional_field_is_left_out_of_the_answer() {
    let service = Service::start();
    let with_nulls =
        r#"{"component":"web","version":"1","owner":"ann","status":"queued","environment":null,"url":" "}"#;
    let record = service.record(with_nulls);
    let mut fields: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["component", "id", "owner", "phase", "recorded_at", "status", "updated_at", "version"]);
}
