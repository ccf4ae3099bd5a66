//! Single records: creating, reading, replacing, changing, deleting and rejecting them.

mod changes;
mod conditions;
mod fields;
mod json;
mod times;
mod waiting;
mod words;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Service, deployed_with};

#[test]
fn the_original_curl_call_works_unchanged() {
    let service = Service::start();
    let body = r#"{"component":"server-interface","version":"2.1","owner":"aoliveira","status":"deployed"}"#;
    let response = service.request("POST", "/api/", &[("Content-Type", "application/json")], Some(body));
    let record = response.expect(201);
    assert_eq!(response.header("location"), Some("/api/1"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(record["id"], 1);
    assert_eq!(record["component"], "server-interface");
    assert_eq!(record["phase"], "succeeded");
    assert_eq!(record["duration_missing"], "no start record");
    assert_eq!(record["finished_at"], record["recorded_at"]);
    assert_eq!(service.read(&record["id"]), record);
}

#[test]
fn every_field_that_the_sender_sets_is_returned() {
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
fn an_unset_optional_field_is_left_out_of_the_response() {
    let service = Service::start();
    let with_nulls =
        r#"{"component":"web","version":"1","owner":"ann","status":"queued","environment":null,"url":" "}"#;
    let record = service.record(with_nulls);
    let mut fields: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["component", "id", "owner", "phase", "recorded_at", "status", "updated_at", "version"]);
}

#[test]
fn a_required_field_that_is_absent_null_or_blank_is_an_error_that_names_it() {
    let service = Service::start();
    for field in ["component", "version", "owner", "status"] {
        let mut left_out: Value = serde_json::from_str(DEPLOYED).unwrap();
        left_out.as_object_mut().unwrap().remove(field);
        let mut bodies = vec![left_out.to_string(), deployed_with(&json!({ field: null }))];
        for blank in ["", " ", " \t\r\n", "\u{a0}\u{3000}", "\u{200b}", "\u{ad}\u{3164}\u{2800}", "\u{e0041}\u{fe0f} "]
        {
            bodies.push(deployed_with(&json!({ field: blank })));
        }
        for body in bodies {
            let response = service.post(&body);
            assert_eq!(response.problem(400), format!("{field} is missing"), "{body}");
            assert_eq!(response.bad_fields(400), [field], "{body}");
        }
    }
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn null_means_the_same_as_absent() {
    let service = Service::start();
    let optional = ["environment", "run", "stage", "url", "commit", "committed_at", "unplanned", "started_at"];
    let mut nulls = json!({ "status": "queued", "finished_at": null });
    for field in optional {
        nulls[field] = Value::Null;
    }
    let record = service.record(&deployed_with(&nulls));
    for field in optional.iter().chain(&["finished_at"]) {
        assert_eq!(record.get(*field), None, "{field}");
    }
}

#[test]
fn all_bad_fields_are_listed_at_once() {
    let service = Service::start();
    let body = r#"{"version":7,"owner":"a\u0000b","status":"deployed","environment":true,"url":"ftp://x","commit":[],
        "committed_at":"yesterday","unplanned":"yes","started_at":"2026-02-30T00:00:00Z","id":5,"colour":"red","run":"a",
        "run":"b"}"#;
    let response = service.post(body);
    let mut fields = response.bad_fields(400);
    fields.sort_unstable();
    let mut expected = [
        "version",
        "owner",
        "environment",
        "url",
        "commit",
        "committed_at",
        "unplanned",
        "started_at",
        "id",
        "colour",
        "run",
        "component",
    ];
    expected.sort_unstable();
    assert_eq!(fields, expected);
    let detail = response.problem(400);
    for field in expected {
        assert!(detail.contains(field), "{field} is not in: {detail}");
    }
    for error in response.json()["errors"].as_array().unwrap() {
        assert!(error["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{error}");
    }
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn an_unknown_field_is_an_error_that_names_it() {
    let service = Service::start();
    for field in ["colour", "Component", "component ", "duration", "idempotency_key", "größe"] {
        for value in [json!("x"), Value::Null] {
            let response = service.post(&deployed_with(&json!({ field: value })));
            assert_eq!(response.bad_fields(400), [field]);
            assert!(response.problem(400).contains(field));
        }
    }
}

#[test]
fn a_field_given_twice_is_an_error_that_names_it() {
    let service = Service::start();
    let id = service.record(DEPLOYED)["id"].clone();
    for (name, second) in [("component", r#""component":"web""#), ("run", r#""run":null,"run":"x""#)] {
        let body = DEPLOYED.replace('}', &format!(",{second}}}"));
        let path = format!("/api/{id}");
        for response in
            [service.post(&body), service.send_json("PUT", &path, &body), service.send_json("PATCH", &path, &body)]
        {
            assert_eq!(response.bad_fields(400), [name]);
        }
        assert_eq!(service.import(&body).json()["errors"][0]["field"], name);
    }
    let escaped = DEPLOYED.replace('}', r#","\u006fwner":"bob"}"#);
    assert_eq!(service.post(&escaped).bad_fields(400), ["owner"]);
}

#[test]
fn fields_set_by_the_service_are_rejected_in_post_and_patch_and_ignored_in_put_and_ndjson() {
    let service = Service::start();
    let id = service.record(DEPLOYED)["id"].clone();
    let path = format!("/api/{id}");
    for (field, value) in [
        ("id", json!(77)),
        ("phase", json!("failed")),
        ("duration_seconds", json!(1.5)),
        ("duration_missing", json!("finished before it started")),
        ("start_id", json!(77)),
        ("recorded_at", json!("2001-01-01T00:00:00Z")),
        ("updated_at", json!("2001-01-01T00:00:00Z")),
    ] {
        let sent = deployed_with(&json!({ field: value }));
        assert_eq!(service.post(&sent).bad_fields(400), [field]);
        assert_eq!(service.send_json("PATCH", &path, &json!({ field: value }).to_string()).bad_fields(400), [field]);
        let replaced = service.send_json("PUT", &path, &sent).expect(200);
        assert_eq!(replaced["id"], id);
        let imported = service.import(&sent).expect(201)["ids"][0].clone();
        for record in [replaced, service.read(&imported)] {
            assert_ne!(record.get(field), Some(&value), "{field}");
            assert_eq!(record["phase"], "succeeded");
        }
    }
}

#[test]
fn put_and_ndjson_recompute_a_started_at_sent_with_a_start_id() {
    let service = Service::start();
    let at =
        |status: &str, field: &str, time: &str| deployed_with(&json!({ "status": status, field: time, "run": "r" }));
    service.record(&at("started", "started_at", "2026-01-01T00:00:00Z"));
    let mut stop = service.record(&at("deployed", "finished_at", "2026-01-01T00:01:00Z"));
    assert_eq!(stop["duration_seconds"], 60.0);
    stop["started_at"] = json!("2026-01-01T00:00:30Z");
    let path = format!("/api/{}", stop["id"]);
    assert_eq!(service.send_json("PUT", &path, &stop.to_string()).expect(200)["duration_seconds"], 60.0);
    stop["start_id"] = json!(4711);
    stop["run"] = json!("another");
    let id = service.import(&stop.to_string()).expect(201)["ids"][0].clone();
    let imported = service.read(&id);
    assert_eq!(imported["duration_missing"], "no start record");
    assert_eq!((imported.get("started_at"), imported.get("start_id")), (None, None));
    // Without start_id the start time is the sender's own.
    stop.as_object_mut().unwrap().remove("start_id");
    let id = service.import(&stop.to_string()).expect(201)["ids"][0].clone();
    assert_eq!(service.read(&id)["duration_seconds"], 30.0);
}

#[test]
fn the_columns_of_the_table_records_are_named_like_the_fields() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let times = json!({ "started_at": "2026-01-01T00:00:00Z", "status": "started" });
    service.record(&deployed_with(&times));
    let record = service.record(&deployed_with(&json!({
        "environment": null, "url": "https://ci", "commit": "abc", "committed_at": "2026-01-01T00:00:00.5Z",
        "unplanned": true, "waited_seconds": 7.125, "finished_at": "2026-01-01T00:01:30.25Z"
    })));
    let rows = database.sql(
        "select id, component, version, owner, status, environment, run, stage, url, commit,
           committed_at at time zone 'utc', unplanned, waited_seconds, started_at at time zone 'utc', finished_at at time zone 'utc',
           phase, duration_seconds, duration_missing, start_id, recorded_at is not null, updated_at is not null
         from records where start_id is not null",
    );
    assert_eq!(record["duration_seconds"], 90.25);
    let expected = [
        "2",
        "web",
        "2.1",
        "ann",
        "deployed",
        "null",
        "null",
        "null",
        "https://ci",
        "abc",
        "2026-01-01 00:00:00.5",
        "t",
        "7.125",
        "2026-01-01 00:00:00",
        "2026-01-01 00:01:30.25",
        "succeeded",
        "90.250",
        "null",
        "1",
        "t",
        "t",
    ];
    assert_eq!(rows, [expected]);
}
