//! Exports as NDJSON and CSV, and the import of an export.

use std::{collections::HashMap, io::ErrorKind};

use serde_json::{Value, json};

use super::{import, record_all};
use crate::harness::{Connection, DEPLOYED, Database, Response, Service, insert_large_records};

const NDJSON: [(&str, &str); 1] = [("accept", "application/x-ndjson")];

fn export(service: &Service, query: &str) -> Response {
    let response = service.request("GET", &format!("/api/?{query}"), &NDJSON, None);
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/x-ndjson")), "{response:?}");
    response
}

/// Requests all records and reads only the head of the response.
fn start_export(service: &Service, accept: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(format!("GET /api/ HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\n\r\n"));
    let head = connection.head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    connection
}

#[test]
fn ndjson_returns_all_records_newest_first_one_per_line() {
    let service = Service::start();
    import(&service, 2_345);
    let [first, second] = record_all(&service, [json!({ "stage": "a\u{2028}b \"c\"" }), json!({ "status": "queued" })]);
    let body = export(&service, "").body;
    assert!(body.ends_with('\n'));
    let records: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<_> = records.iter().map(|record| record["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=2_347).rev().collect::<Vec<_>>());
    assert_eq!(records[..2], [second, first]);
    assert_eq!(records[2_346], service.read(&json!(1)));
}

#[test]
fn an_export_accepts_any_positive_limit() {
    let service = Service::start();
    import(&service, 2_001);
    for limit in ["1", "999", "1000", "1001", "2000", "2001", "2002", "4294967296", "18446744073709551615"] {
        let count = limit.parse().unwrap_or(usize::MAX).min(2_001);
        assert_eq!(export(&service, &format!("limit={limit}")).body.lines().count(), count, "{limit}");
    }
    for limit in ["0", "-1", "x", "1.5"] {
        let response = service.request("GET", &format!("/api/?limit={limit}"), &NDJSON, None);
        assert_eq!(response.bad_fields(400), ["limit"], "{limit}");
    }
}

#[test]
fn an_export_accepts_a_limit_beyond_64_bits() {
    let service = Service::start();
    import(&service, 2);
    assert_eq!(export(&service, "limit=18446744073709551616").body.lines().count(), 2);
}

#[test]
fn an_export_accepts_the_filters_of_the_list() {
    let service = Service::start();
    import(&service, 3);
    let [other] = record_all(&service, [json!({ "status": "queued", "stage": "a b" })]);
    let response = export(&service, "phase=noted&stage=a%20b");
    assert_eq!((response.json(), response.body.lines().count()), (other, 1));
    assert_eq!(export(&service, "owner=nobody").body, "");
    assert_eq!(service.request("GET", "/api/?colour=red", &NDJSON, None).bad_fields(400), ["colour"]);
}

#[test]
fn an_imported_export_has_the_same_durations() {
    let service = Service::start();
    let at = |minute: u32| format!("2026-01-01T00:{minute:02}:00Z");
    record_all(
        &service,
        [
            json!({ "status": "started", "started_at": at(1), "run": "r" }),
            json!({ "status": "deployed", "finished_at": at(2), "run": "r", "url": "https://ci", "unplanned": true }),
            json!({ "status": "failed", "finished_at": at(3), "run": "r" }),
            json!({ "status": "started", "started_at": at(4), "run": "r", "stage": "a" }),
            json!({ "status": "started", "started_at": at(5), "run": "r" }),
            json!({ "status": "ok", "started_at": at(9), "finished_at": at(8), "commit": "c", "committed_at": at(0) }),
            json!({ "status": "ok", "started_at": at(6), "finished_at": at(8), "environment": "Å" }),
            json!({ "status": "queued", "started_at": at(6), "finished_at": at(8) }),
            json!({ "status": "skipped" }),
        ],
    );
    let body = export(&service, "").body;
    let copy = Service::start();
    let ids = copy.import(&body).expect(201)["ids"].clone();
    let old: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let new_id: HashMap<_, _> = old.iter().map(|record| &record["id"]).zip(ids.as_array().unwrap()).collect();
    for record in &old {
        let mut expected = record.clone();
        let mut copied = copy.read(new_id[&record["id"]]);
        expected["id"] = new_id[&record["id"]].clone();
        if let Some(start) = record.get("start_id") {
            expected["start_id"] = new_id[start].clone();
        }
        for field in ["recorded_at", "updated_at"] {
            copied.as_object_mut().unwrap().remove(field);
            expected.as_object_mut().unwrap().remove(field);
        }
        assert_eq!(copied, expected);
    }
}

#[test]
fn a_long_export_is_streamed_in_bounded_memory() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let memory_kib = |name: &str| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    };
    import(&service, 1);
    insert_large_records(&database, 40_000);
    export(&service, "limit=2000");
    let before = memory_kib("VmHWM:");
    let mut stream = start_export(&service, NDJSON[0].1);
    let (mut bytes, mut lines) = (0, 0);
    loop {
        let chunk = stream.chunk().expect("a chunk");
        if chunk.is_empty() {
            break;
        }
        bytes += chunk.len();
        lines += str::from_utf8(&chunk).unwrap().matches('\n').count();
    }
    assert_eq!(lines, 40_001);
    assert!(bytes > 80_000_000, "{bytes} bytes");
    let grown = memory_kib("VmHWM:") - before;
    assert!(grown < 30 << 10, "memory grew by {grown} KiB");
}

#[test]
fn an_export_that_the_database_interrupts_has_no_last_chunk() {
    for accept in ["application/x-ndjson", "text/csv"] {
        let database = Database::new();
        let service = Service::with_settings(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LOG_LEVEL", "off")]);
        insert_large_records(&database, 20_000);
        let mut stream = start_export(&service, accept);
        stream.chunk().unwrap();
        database.sql("alter table records rename to gone");
        let mut bytes = 0;
        let end = loop {
            match stream.chunk() {
                Ok(chunk) if chunk.is_empty() => panic!("{accept} ended as if complete"),
                Ok(chunk) => bytes += chunk.len(),
                Err(error) => break error.kind(),
            }
        };
        assert!(bytes < 40_000_000, "the whole export arrived");
        assert!(matches!(end, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{end}");
    }
}

#[test]
fn clients_that_abandon_an_export_or_read_it_slowly_block_nobody() {
    let database = Database::new();
    let service = Service::with_settings(&[
        ("DATABASE_URL", &database.url()),
        ("DEPLOYLOG_POOL_SIZE", "5"),
        ("DEPLOYLOG_POOL_TIMEOUT", "30"),
    ]);
    insert_large_records(&database, 5_000);
    for _ in 0..5 {
        start_export(&service, NDJSON[0].1).chunk().unwrap();
    }
    // Slow clients hold no connection to the database either.
    let _slow = [(); 5].map(|()| start_export(&service, NDJSON[0].1));
    service.record(DEPLOYED);
    service.get("/api/?limit=1").expect(200);
}
