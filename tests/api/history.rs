//! `GET /api/{id}/history`: the earlier states of a record.

mod concurrent;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Service, deployed_with};

/// The whole history of a record, newest first.
#[track_caller]
fn history(service: &Service, id: &Value) -> Vec<Value> {
    service.get(&format!("/api/{id}/history?limit=1000")).expect(200).as_array().expect("an array").clone()
}

/// Each entry's change and the record before it.
#[track_caller]
fn changes(service: &Service, id: &Value) -> Vec<(String, Value)> {
    let summary = |entry: Value| (entry["change"].as_str().unwrap().to_owned(), entry["was"].clone());
    history(service, id).into_iter().map(summary).collect()
}

#[test]
fn a_change_and_a_deletion_store_the_whole_previous_record() {
    let service = Service::start();
    let first = service.record(&deployed_with(&json!({
        "component": "wéb \u{1F680} \"\\/", "environment": "prod'uction", "run": "j\u{FFFD}ob#1", "stage": "a / b",
        "url": "https://ci.example.org/1?a=b", "commit": "c0ffee", "committed_at": "0000-01-01T00:00:00.000001Z",
        "unplanned": false, "waited_seconds": 0.001, "started_at": "1883-11-18T12:03:57.999999Z",
        "finished_at": "2026-01-01T00:00:00.123456Z",
    })));
    let id = &first["id"];
    assert_eq!(history(&service, id), [Value::Null; 0], "an unchanged record has no history");
    let path = format!("/api/{id}");
    let second = service.send_json("PATCH", &path, r#"{"owner":"bob","url":null,"unplanned":true}"#).expect(200);
    let third = service.send_json("PUT", &path, DEPLOYED).expect(200);
    assert_eq!(service.request("DELETE", &path, &[], None).status, 204);
    let entry = |change: &str, was: &Value| (change.to_owned(), was.clone());
    assert_eq!(
        changes(&service, id),
        [entry("deleted", &third), entry("changed", &second), entry("changed", &first)],
        "the history includes a change of the component and survives deletion"
    );
    let entries = history(&service, id);
    assert_eq!((&entries[2]["at"], &entries[1]["at"]), (&second["updated_at"], &third["updated_at"]));
    assert!(entries[0]["at"].as_str() > entries[1]["at"].as_str());
    assert!(entries.iter().all(|entry| entry.get("by").is_none()), "without tokens no caller is known: {entries:?}");
}

#[test]
fn a_change_without_effect_or_with_an_error_leaves_no_entry() {
    let service = Service::start();
    let first = service.record(DEPLOYED);
    service.send_json("PUT", "/api/1", DEPLOYED).expect(200);
    service.send_json("PATCH", "/api/1", r#"{"owner":"ann"}"#).expect(200);
    service.send_json("PATCH", "/api/1", r#"{"owner":""}"#).expect(400);
    let stale = [("if-match", "\"stale\"")];
    assert_eq!(service.request("DELETE", "/api/1", &stale, None).status, 412);
    assert_eq!((history(&service, &json!(1)), service.read(&json!(1))), (vec![], first));
}

#[test]
fn a_change_by_pairing_leaves_no_entry_but_is_visible_in_the_next_one() {
    let service = Service::start();
    let alone = service.record(&deployed_with(&json!({"finished_at": "2026-01-01T00:10:00Z"})));
    let id = &alone["id"];
    let start =
        service.record(&deployed_with(&json!({"status": "started", "started_at": "2026-01-01T00:09:00Z"})))["id"]
            .clone();
    let paired = service.read(id);
    assert_eq!((&paired["start_id"], history(&service, id)), (&start, vec![]));
    service.send_json("PATCH", &format!("/api/{id}"), r#"{"owner":"bob"}"#).expect(200);
    assert_eq!(service.request("DELETE", &format!("/api/{start}"), &[], None).status, 204);
    assert_eq!(service.read(id)["duration_missing"], "no start record");
    assert_eq!(changes(&service, id), [("changed".to_owned(), paired)]);
}

#[test]
fn a_put_that_finishes_a_record_stores_its_start() {
    let service = Service::start();
    let started = service.record(&deployed_with(&json!({"status": "started"})));
    service.send_json("PUT", "/api/1", DEPLOYED).expect(200);
    assert_eq!(changes(&service, &json!(1)), [("changed".to_owned(), started)]);
}

#[test]
fn the_history_of_an_unknown_id_is_404_and_a_deleted_id_is_not_reused() {
    let database = Database::new();
    let mut service = Service::with_database(&database);
    for id in ["1", "0", "x", "9007199254740991"] {
        service.get(&format!("/api/{id}/history")).problem(404);
    }
    service.record(DEPLOYED);
    service.request("DELETE", "/api/1", &[], None);
    service.stop();
    let service = Service::with_database(&database);
    assert_eq!(service.record(DEPLOYED)["id"], 2);
    service.get("/api/1").problem(404);
    assert_eq!(history(&service, &json!(1)).len(), 1);
    service.get("/api/3/history").problem(404);
}

#[test]
fn a_history_contains_no_idempotency_key_and_cannot_be_changed() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let keyed = [("content-type", "application/json"), ("idempotency-key", "the-key")];
    service.request("POST", "/api/", &keyed, Some(DEPLOYED)).expect(201);
    service.send_json("PATCH", "/api/1", r#"{"component":"api"}"#).expect(200);
    let row = &database.sql("select was::text, by, component from history")[0];
    assert!(!row[0].contains("the-key") && !row[0].contains("content"), "{row:?}");
    assert_eq!((row[1].as_str(), row[2].as_str()), ("null", "web"));
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let response = service.send_json(method, "/api/1/history", "{}");
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
    // `by` is returned if it is known.
    database.sql("update history set by = 'ann''s laptop'");
    assert_eq!(history(&service, &json!(1))[0]["by"], "ann's laptop");
}

#[test]
fn pages_are_complete_while_the_record_changes() {
    let service = Service::start();
    let mut owners = vec![service.record(DEPLOYED)["owner"].clone()];
    let mut change = |owner: String| {
        service.send_json("PATCH", "/api/1", &json!({ "owner": owner }).to_string()).expect(200);
        owners.push(owner.into());
        owners.clone()
    };
    (0..6).for_each(|number| drop(change(number.to_string())));
    for limit in 1..=7 {
        let was = change(format!("before limit {limit}"));
        let mut expected: Vec<_> = was[..was.len() - 1].to_vec();
        expected.reverse();
        let mut target = format!("/api/1/history?limit={limit}");
        let mut listed = Vec::new();
        loop {
            let response = service.get(&target);
            listed.extend(response.expect(200).as_array().unwrap().iter().map(|entry| entry["was"]["owner"].clone()));
            let Some(next) = response.next_page() else { break };
            assert_eq!(listed.len() % limit, 0, "every page but the last is full");
            target = next.to_owned();
            assert!(target.starts_with("/api/1/history?"), "{target}");
            change(format!("within limit {limit} after {}", listed.len()));
        }
        assert_eq!(listed, expected, "{limit}");
    }
}

#[test]
fn all_invalid_parameters_are_listed_together() {
    let service = Service::start();
    service.record(DEPLOYED);
    let mut fields = service.get("/api/1/history?limit=0&cursor=x&owner=ann").bad_fields(400);
    fields.sort_unstable();
    assert_eq!(fields, ["cursor", "limit", "owner"]);
    let csv = service.request("GET", "/api/1/history", &[("accept", "text/csv")], None);
    assert!(csv.problem(406).contains("application/json"));
}
