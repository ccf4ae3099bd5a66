//! `waited_seconds`: the part of a duration that was waiting.

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, Service, deployed_with, migrate_to};

/// Status words that do not stop the clock.
const OTHERS: [&str; 3] = ["started", "queued", "skipped"];

fn deployed_that_waited(seconds: &Value) -> String {
    deployed_with(&json!({ "waited_seconds": seconds }))
}

#[test]
fn waited_seconds_is_a_number_from_0_to_a_year_and_keeps_its_milliseconds() {
    let service = Service::start();
    let numbers = [
        (json!(0), 0.0),
        (json!(-0.0), 0.0),
        (json!(0.001), 0.001),
        (json!(12), 12.0),
        (json!(0.29), 0.29),
        (json!(12.3456), 12.346),
        (json!(31_535_999.999), 31_535_999.999),
        (json!(31_536_000), 31_536_000.0),
    ];
    for (sent, kept) in &numbers {
        let record = service.record(&deployed_that_waited(sent));
        assert_eq!(record["waited_seconds"], json!(kept), "{sent}");
        assert_eq!(service.read(&record["id"]), record);
    }
    let lines: Vec<_> = numbers.iter().map(|(sent, _)| deployed_that_waited(sent)).collect();
    let ids = service.import(&lines.join("\n")).expect(201)["ids"].clone();
    for (id, (_, kept)) in ids.as_array().unwrap().iter().zip(&numbers) {
        assert_eq!(service.read(id)["waited_seconds"], json!(kept));
    }
    for other in [json!(-0.001), json!(31_536_000.001), json!(-1), json!(u64::MAX), json!("5"), json!(""), json!(true)]
    {
        assert_eq!(service.post(&deployed_that_waited(&other)).bad_fields(400), ["waited_seconds"], "{other}");
    }
}

#[test]
fn only_a_record_that_stops_the_clock_can_have_waited_seconds() {
    let service = Service::start();
    for status in ["deployed", "failed", "aborted", "done"] {
        let body = json!({ "status": status, "waited_seconds": 1.5 });
        assert_eq!(service.record(&deployed_with(&body))["waited_seconds"], 1.5, "{status}");
    }
    for status in OTHERS {
        let body = deployed_with(&json!({ "status": status, "waited_seconds": 0 }));
        assert_eq!(service.post(&body).bad_fields(400), ["waited_seconds"], "{status}");
        let error = &service.import(&[DEPLOYED, &body].join("\n")).json()["errors"][0];
        assert_eq!((&error["line"], &error["field"]), (&json!(2), &json!("waited_seconds")), "{status}");
        let record = service.record(&deployed_with(&json!({ "status": status, "waited_seconds": null })));
        let path = format!("/api/{}", record["id"]);
        for (method, body) in [("PUT", &*body), ("PATCH", r#"{"waited_seconds":0}"#)] {
            assert_eq!(service.send_json(method, &path, body).bad_fields(400), ["waited_seconds"], "{method} {status}");
        }
        assert_eq!(service.send_json("PATCH", &path, r#"{"waited_seconds":null}"#).expect(200), record);
    }
    let without_status = deployed_with(&json!({ "status": null, "waited_seconds": 1 }));
    assert_eq!(service.post(&without_status).bad_fields(400), ["status"]);
}

#[test]
fn a_change_keeps_waited_seconds_unless_it_names_it_or_the_record_stops_no_clock() {
    let service = Service::start();
    for status in OTHERS {
        let record = service.record(&deployed_that_waited(&json!(7.25)));
        let path = format!("/api/{}", record["id"]);
        let change = |body: &Value| service.send_json("PATCH", &path, &body.to_string());
        assert_eq!(change(&json!({ "status": "failed" })).expect(200)["waited_seconds"], 7.25);
        assert_eq!(change(&json!({ "waited_seconds": 8 })).expect(200)["waited_seconds"], 8.0);
        change(&json!({ "status": status, "waited_seconds": 8 })).problem(400);
        assert_eq!(service.read(&record["id"])["waited_seconds"], 8.0);
        for body in [json!({ "status": status }), json!({ "status": "deployed" })] {
            assert_eq!(change(&body).expect(200).get("waited_seconds"), None, "{body}");
        }
        assert_eq!(change(&json!({ "waited_seconds": 9 })).expect(200)["waited_seconds"], 9.0);
        let put = |body: &str| service.send_json("PUT", &path, body).expect(200);
        let sent_back = put(&service.read(&record["id"]).to_string());
        assert_eq!(sent_back["waited_seconds"], 9.0);
        assert_eq!(put(DEPLOYED).get("waited_seconds"), None);
        change(&json!({ "waited_seconds": 1 })).expect(200);
        assert_eq!(change(&json!({ "waited_seconds": null })).expect(200).get("waited_seconds"), None);
        change(&json!({ "waited_seconds": 1 })).expect(200);
        let other = deployed_with(&json!({ "status": status }));
        assert_eq!(put(&other).get("waited_seconds"), None, "{status}");
    }
}

#[test]
fn waited_seconds_survives_a_late_start_and_can_exceed_the_duration() {
    let service = Service::start();
    let at = |clock: &str| format!("2026-01-01T{clock}Z");
    let stop = json!({ "finished_at": at("10:00:10"), "waited_seconds": 60.125 });
    let finish = service.record(&deployed_with(&stop));
    assert_eq!((finish.get("duration_seconds"), &finish["waited_seconds"]), (None, &json!(60.125)));
    for (number, clock) in ["10:00:00", "10:00:04"].into_iter().enumerate() {
        let start = json!({ "status": "started", "started_at": at(clock) });
        service.record(&deployed_with(&start));
        let finish = service.read(&finish["id"]);
        let duration = [10.0, 6.0][number];
        assert_eq!((&finish["duration_seconds"], &finish["waited_seconds"]), (&json!(duration), &json!(60.125)));
    }
}

#[test]
fn deploys_stages_and_current_versions_have_the_waited_seconds_of_their_finishes() {
    let service = Service::start();
    let run = |status: &str, stage: Option<&str>, waited: Option<f64>| {
        service.record(&deployed_with(&json!({
            "status": status, "run": "job#1", "stage": stage, "environment": "e", "waited_seconds": waited
        })))
    };
    run("started", None, None);
    for (stage, waited) in [("Build", Some(2.5)), ("Test", None)] {
        run("started", Some(stage), None);
        run("ok", Some(stage), waited);
    }
    run("started", Some("Deploy"), None);
    let deploys = |query: &str| service.get(&format!("/api/deploys?{query}")).expect(200);
    assert_eq!(deploys("")[0].get("waited_seconds"), None);
    run("deployed", None, Some(3.5));
    let deploy = &deploys("stages=true")[0];
    assert_eq!(deploy["waited_seconds"], 3.5);
    let stages = deploy["stages"].as_array().unwrap();
    let seconds: Vec<_> = stages.iter().map(|stage| stage.get("waited_seconds").and_then(Value::as_f64)).collect();
    assert_eq!(seconds, [Some(2.5), None, None]);
    assert_eq!(service.get("/api/current").expect(200)[0]["waited_seconds"], 3.5);
}

#[test]
fn a_record_from_before_the_field_has_none_and_can_get_it() {
    let database = Database::new();
    migrate_to(&database, "0012_bounded_reads");
    database.sql(
        "select write_records(false, array['web'], array['1'], array['ann'], array['deployed'], array['succeeded'],
           null, null, null, null, null, null, null, null, null, null, null,
           array[deploy_of('web', null, null, null, '1')])",
    );
    let service = Service::with_database(&database);
    let record = service.all_records().remove(0);
    assert_eq!(record.get("waited_seconds"), None);
    let path = format!("/api/{}", record["id"]);
    let changed = service.send_json("PATCH", &path, r#"{"waited_seconds":1.5}"#).expect(200);
    assert_eq!(changed["waited_seconds"], 1.5);
    let history = service.get(&format!("{path}/history")).expect(200);
    assert_eq!(history[0]["was"], record);
}
