//! The memory that all connections share.

use std::io::Write as _;

use crate::harness::{Connection, Service, eventually};

fn status(mut connection: Connection, request: &str) -> u16 {
    connection.send(request);
    connection.response().status
}

#[test]
fn a_long_header_beyond_the_budget_gets_503_until_others_close() {
    let service = Service::start();
    let start = format!("GET /livez HTTP/1.1\r\nhost: test\r\nx: {}", "x".repeat(60_000));
    let mut unfinished = Vec::new();
    // All long headers together have 8 MiB.
    let mut refused = loop {
        let mut connection = service.connect();
        connection.send(&start);
        connection.stream().set_nonblocking(true).unwrap();
        // The service reads the headers in the order in which they arrive.
        service.get("/livez").expect(200);
        let is_answered = connection.stream().peek(&mut [0]).is_ok();
        connection.stream().set_nonblocking(false).unwrap();
        if is_answered {
            break connection;
        }
        unfinished.push(connection);
        assert!(unfinished.len() < 200, "no header is refused");
    };
    let response = refused.response();
    assert!(response.problem(503).contains("headers"));
    assert_eq!((response.header("retry-after"), response.header("connection")), (Some("1"), Some("close")));
    assert!(refused.is_closed());
    assert!(unfinished.len() > 100, "{}", unfinished.len());
    let mut first = unfinished.swap_remove(0);
    first.stream().write_all(b"\r\n\r\n").unwrap();
    let response = first.response();
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(first.is_closed(), "the connection does not keep the memory of a long header");
    drop(unfinished);
    eventually("long headers are accepted again", || status(service.connect(), &format!("{start}\r\n\r\n")) == 200);
}
