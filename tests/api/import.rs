//! NDJSON import: all lines are recorded, or none.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Response, Service, deployed_with, eventually};

/// Line and field of each error.
#[track_caller]
fn errors(response: &Response, status: u16) -> Vec<(u64, String)> {
    response.problem(status);
    let problem = response.json();
    let errors = problem["errors"].as_array().expect("errors").iter().map(|error| {
        assert!(error["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{error}");
        (error["line"].as_u64().expect("a line"), error["field"].as_str().unwrap_or_default().to_owned())
    });
    errors.collect()
}

fn owner(name: &str) -> String {
    deployed_with(&json!({ "owner": name }))
}

#[test]
fn each_line_is_recorded_and_the_ids_rise_in_the_order_of_the_lines() {
    let service = Service::start();
    let owners: Vec<String> = (0..500).map(|number| format!("owner {number}")).collect();
    let lines: Vec<String> = owners.iter().map(|name| owner(name)).collect();
    let response = service.import(&lines.join("\n"));
    let imported = response.expect(201);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!((&imported["recorded"], &imported["replayed"]), (&json!(500), &json!(0)));
    let ids: Vec<u64> = imported["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    let recorded: Vec<(u64, String)> = service
        .all_records()
        .iter()
        .map(|record| (record["id"].as_u64().unwrap(), record["owner"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(recorded, ids.into_iter().zip(owners).collect::<Vec<_>>());
}

#[test]
fn a_line_can_end_with_lf_or_crlf_and_the_last_one_without() {
    let service = Service::start();
    for (body, count) in [
        (DEPLOYED.to_owned(), 1),
        (format!("{DEPLOYED}\n"), 1),
        (format!("{DEPLOYED}\r\n{DEPLOYED}\r\n"), 2),
        (format!("  {DEPLOYED}\t\n{DEPLOYED}"), 2),
    ] {
        assert_eq!(service.import(&body).expect(201)["recorded"], count, "{body}");
    }
}

#[test]
fn blank_lines_are_skipped_but_counted_in_line_numbers() {
    let service = Service::start();
    let body = format!("\n \t\r\n{}\n\n\n{}\n\n", owner("ann"), owner("bob"));
    assert_eq!(service.import(&body).expect(201)["recorded"], 2);
    let wrong = format!("\n\n{DEPLOYED}\n  \r\n{{}}x\n\n{}", owner(""));
    assert_eq!(errors(&service.import(&wrong), 400), [(5, String::new()), (7, "owner".to_owned())]);
}

#[test]
fn invalid_lines_are_listed_with_line_field_and_reason_and_nothing_is_recorded() {
    let service = Service::start();
    let lines = [
        DEPLOYED.to_owned(),
        r#"{"component":"web","version":1,"owner":" ","status":"ok","colour":"red"}"#.to_owned(),
        deployed_with(&json!({ "started_at": "yesterday" })),
        DEPLOYED.replace('}', r#","run":"a","run":"b"}"#),
        deployed_with(&json!({ "idempotency_key": "a b" })),
        deployed_with(&json!({ "status": "started", "finished_at": "2026-01-01T00:00:00Z" })),
        DEPLOYED.to_owned(),
    ];
    let response = service.import(&lines.join("\n"));
    let mut named = errors(&response, 400);
    named.sort();
    let expected = [
        (2, "colour"),
        (2, "owner"),
        (2, "version"),
        (3, "started_at"),
        (4, "run"),
        (5, "idempotency_key"),
        (6, "finished_at"),
    ];
    assert_eq!(named, expected.map(|(line, field)| (line, field.to_owned())));
    assert!(response.problem(400).contains("line 2"));
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn a_line_that_is_not_a_json_object_is_reported_with_line_and_byte() {
    let service = Service::start();
    let lines = [&br#"{"component":x}"#[..], b"[]", b"{\"component\":\"\xff\"}", b"null", b"{} {}"].join(&b'\n');
    let ndjson = [("content-type", "application/x-ndjson")];
    let response = service.connect().request("POST", "/api/", &ndjson, Some(&lines));
    let lines_with_errors: Vec<u64> = errors(&response, 400).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines_with_errors, [1, 2, 3, 4, 5]);
    let problem = response.json();
    for (index, byte) in [(0, 14), (2, 15), (4, 4)] {
        let reason = problem["errors"][index]["reason"].as_str().unwrap();
        assert!(reason.ends_with(&format!("byte {byte}")), "{reason}");
    }
}

#[test]
fn only_the_first_100_errors_are_listed() {
    let service = Service::start();
    let body = format!("{DEPLOYED}\n{}", "{\"component\":\"web\"}\n".repeat(200));
    let errors = errors(&service.import(&body), 400);
    assert_eq!(errors.len(), 100);
    assert_eq!((&errors[0], &errors[99]), (&(2, "version".to_owned()), &(35, "version".to_owned())));
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn a_body_has_at_most_10_000_lines() {
    // All lines belong to one deploy; if the cost were quadratic in their number, the statement timeout would be exceeded.
    let service = Service::with_settings(&[("DEPLOYLOG_STATEMENT_TIMEOUT", "5")]);
    let mut lines = format!("{DEPLOYED}\n").repeat(10_000);
    let imported = service.import(&lines).expect(201);
    assert_eq!((&imported["recorded"], imported["ids"].as_array().map(Vec::len)), (&json!(10_000), Some(10_000)));
    lines += DEPLOYED;
    assert!(service.import(&lines).problem(413).contains("10000 lines"));
    assert_eq!(service.all_records().len(), 10_000);
}

#[test]
fn a_body_without_lines_gets_400() {
    let service = Service::start();
    for body in ["", "\n", " \r\n\t\n\n"] {
        service.import(body).problem(400);
    }
}

#[test]
fn an_idempotency_key_header_with_ndjson_gets_400() {
    let service = Service::start();
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "k")];
    assert_eq!(service.request("POST", "/api/", &headers, Some(DEPLOYED)).bad_fields(400), ["Idempotency-Key"]);
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn ndjson_with_the_charset_utf_8_is_accepted() {
    let service = Service::start();
    for content_type in ["application/x-ndjson; charset=utf-8", "Application/X-NDJSON"] {
        service.request("POST", "/api/", &[("content-type", content_type)], Some(DEPLOYED)).expect(201);
    }
    service.request("POST", "/api/", &[("content-type", "application/x-ndjson;charset=latin1")], Some("")).problem(415);
    service.request("PUT", "/api/1", &[("content-type", "application/x-ndjson")], Some(DEPLOYED)).problem(415);
}

#[test]
fn a_line_with_very_many_unknown_fields_is_refused_quickly_with_a_hundred_errors() {
    let service = Service::start();
    let fields: Vec<String> = (0..200_000).map(|field| format!("\"k{field}\":1")).collect();
    let began = std::time::Instant::now();
    let response = service.import(&format!("{{{}}}", fields.join(",")));
    assert_eq!(response.bad_fields(400).len(), 100);
    assert!(began.elapsed().as_secs_f64() < 5.0, "{:?}", began.elapsed());
}

#[test]
fn incomplete_large_bodies_use_limited_memory_and_do_not_block_small_ones() {
    let service = Service::with_settings(&[("DEPLOYLOG_MAX_BODY_MEMORY", "16")]);
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10
    };
    let before = memory();
    let head =
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\ncontent-length: 8388608\r\n\r\n";
    let begin = || {
        let mut sender = service.connect();
        sender.send(head);
        sender.stream().write_all(&vec![b' '; 6 << 20]).unwrap();
        sender
    };
    let mut two = vec![begin(), begin()];
    eventually("the service holds two bodies", || memory() >= before + 11);
    for _ in 0..10 {
        let response = begin().response();
        response.problem(503);
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    assert!(memory() < before + 64, "{} MiB", memory());
    service.record(DEPLOYED);
    two.clear();
    eventually("the memory is free again", || {
        service.import(&format!("{DEPLOYED}\n{}", " ".repeat(7 << 20))).status == 201
    });
}
