//! The memory that all connections share: long headers and answers that wait for their clients.

use std::io::Write as _;

use serde_json::json;

use crate::harness::{Connection, Service, eventually};

fn status(mut connection: Connection, request: &str) -> u16 {
    connection.send(request);
    connection.response().status
}

#[test]
fn a_long_header_beyond_the_budget_gets_503_until_others_close() {
    let service = Service::start();
    let start = format!("GET /livez HTTP/1.1\r\nhost: test\r\nx: {}", "x".repeat(60_000));
    let is_answered = |connection: &Connection| {
        connection.stream().set_nonblocking(true).unwrap();
        let answer = connection.stream().peek(&mut [0]);
        connection.stream().set_nonblocking(false).unwrap();
        answer.is_ok()
    };
    // All long headers together have 8 MiB.
    let mut unfinished: Vec<_> = (0..150).map(|_| service.connect()).collect();
    for connection in &mut unfinished {
        connection.send(&start);
    }
    eventually("a header is refused", || unfinished.iter().any(is_answered));
    let mut refused = unfinished.remove(unfinished.iter().position(is_answered).unwrap());
    let response = refused.response();
    assert!(response.problem(503).contains("headers"));
    assert_eq!((response.header("retry-after"), response.header("connection")), (Some("1"), Some("close")));
    assert!(refused.is_closed());
    unfinished.retain(|connection| !is_answered(connection));
    assert!(unfinished.len() > 100, "{}", unfinished.len());
    let mut first = unfinished.swap_remove(0);
    first.stream().write_all(b"\r\n\r\n").unwrap();
    let response = first.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(first.is_closed(), "the connection does not keep the memory of a long header");
    drop(unfinished);
    eventually("long headers are accepted again", || status(service.connect(), &format!("{start}\r\n\r\n")) == 200);
}

#[test]
fn an_answer_beyond_the_budget_gets_503_until_slow_readers_leave() {
    let service = Service::with_settings(&[("DEPLOYLOG_WRITE_TIMEOUT", "300")]);
    let text = "x".repeat(1000);
    let line =
        json!({ "component": "web", "version": "1", "owner": "ann", "status": "noted", "run": text, "stage": text });
    for _ in 0..2 {
        service.import(&format!("{line}\n").repeat(3000)).expect(201);
    }
    let export = "GET /api/ HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n\r\n";
    // Each leaves more than 200 KiB of its answer in the memory of the service, where all answers have 16 MiB.
    let mut readers = Vec::new();
    for _ in 0..90 {
        let mut connection = service.connect();
        connection.send(export);
        connection.head();
        readers.push(connection);
    }
    let list = "/api/?limit=1000";
    eventually("a list is refused", || service.get(list).status == 503);
    let response = service.get(list);
    assert!(response.problem(503).contains("slow clients"));
    assert_eq!(response.header("retry-after"), Some("1"));
    for small in ["/api/?limit=1", "/livez", "/"] {
        assert_eq!(service.get(small).status, 200, "{small}");
    }
    drop(readers);
    eventually("a list is answered again", || service.get(list).status == 200);
}
