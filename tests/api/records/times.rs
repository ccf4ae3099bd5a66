//! Times in requests and responses.

use serde_json::{Value, json};

use crate::harness::{Database, Service, deployed_with};

const TIMES: [&str; 3] = ["committed_at", "started_at", "finished_at"];

/// A record that does not affect pairing, so that it accepts any time.
fn noted(field: &str, time: &str) -> String {
    deployed_with(&json!({ "status": "queued", field: time }))
}

#[test]
fn a_time_with_any_offset_and_fraction_is_returned_in_utc_with_microseconds() {
    let service = Service::start();
    for (time, out) in [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100000Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05.000000Z"),
        ("2026-12-31T23:59:59.999999-23:59", "2027-01-01T23:58:59.999999Z"),
        ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ] {
        for field in TIMES {
            let record = service.record(&noted(field, time));
            assert_eq!(record[field], out, "{field} {time}");
            assert_eq!(service.read(&record["id"])[field], out, "{field} {time}");
        }
    }
}

#[test]
fn a_time_is_stored_to_the_microsecond() {
    let service = Service::start();
    let record = service.record(&noted("committed_at", "2026-01-02T03:04:05.123456789Z"));
    let stored = record["committed_at"].as_str().unwrap();
    assert!(["2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123457Z"].contains(&stored), "{stored}");
    assert_eq!(service.read(&record["id"])["committed_at"], stored);
}

#[test]
fn an_invalid_time_is_an_error_that_names_the_field() {
    let service = Service::start();
    for time in [
        "yesterday",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04Z",
        "2026-01-02 03:04:05",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:60:00Z",
        "2026-01-02T03:04:05+0200",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05.Z",
        "12026-01-02T03:04:05Z",
        "2026-01-02T03:04:05Z ",
        "1767323045",
    ] {
        for field in TIMES {
            assert_eq!(service.post(&noted(field, time)).bad_fields(400), [field], "{time}");
        }
    }
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn recorded_at_and_updated_at_come_from_the_clock_of_the_database_in_microseconds() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let now = || {
        let sql = r#"select to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
        database.sql(sql).concat().concat()
    };
    let mut before = now();
    let recorded = service.record(&deployed_with(&json!({})));
    assert_eq!(recorded["recorded_at"], recorded["updated_at"]);
    let path = format!("/api/{}", recorded["id"]);
    for record in [recorded, service.send_json("PATCH", &path, r#"{"owner":"bob"}"#).expect(200)] {
        let updated_at = record["updated_at"].as_str().unwrap().to_owned();
        assert_eq!(updated_at.len(), before.len());
        assert!(before < updated_at && updated_at < now(), "{updated_at} is not after {before}");
        before = updated_at;
    }
}

#[test]
fn a_duration_is_a_number_with_milliseconds() {
    let service = Service::start();
    for (finished_at, seconds) in [
        ("2026-01-02T00:00:00Z", 0.0),
        ("2026-01-02T00:00:00.001Z", 0.001),
        ("2026-01-02T00:00:01.5Z", 1.5),
        ("2026-01-09T00:00:00.123Z", 604_800.123),
    ] {
        let times = json!({ "started_at": "2026-01-02T00:00:00Z", "finished_at": finished_at });
        assert_eq!(service.record(&deployed_with(&times))["duration_seconds"], seconds, "{finished_at}");
    }
}
