//! What is no HTTP request.

use crate::harness::{Answer, DEPLOYED, Service};

/// What comes for these bytes, and whether the connection closes then.
fn answer(service: &Service, bytes: &[u8]) -> Option<Answer> {
    let mut connection = service.connect();
    connection.send(bytes);
    let answer = connection.try_answer().ok();
    assert!(answer.is_none() || connection.is_closed(), "it goes on after {answer:?}");
    answer
}

const MALFORMED: [(&str, u16); 8] = [
    ("nonsense\r\n\r\n", 400),
    ("GET /api/\r\n\r\n", 400),
    ("GET /api/ HTTP/1.1\r\nhost: test\r\nno header\r\n\r\n", 400),
    ("GET /api/ HTTP/1.1\r\nhost: test\r\na b: c\r\n\r\n", 400),
    ("G@T /api/ HTTP/1.1 x\r\nhost: test\r\n\r\n", 400),
    ("POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-length: x\r\n\r\n", 400),
    ("POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n", 400),
    ("POST /api/ HTTP/1.1\r\nhost: test\r\ntransfer-encoding: gzip\r\n\r\n", 400),
];

#[test]
fn what_is_no_request_is_refused_and_the_connection_closed() {
    let service = Service::start();
    for (bytes, status) in MALFORMED {
        let answer = answer(&service, bytes.as_bytes()).map(|answer| answer.status);
        assert_eq!(answer, Some(status), "{bytes:?}");
    }
    let headers = format!("GET /api/ HTTP/1.1\r\nhost: test\r\n{}\r\n", "x: y\r\n".repeat(1_000));
    assert_eq!(answer(&service, headers.as_bytes()).map(|answer| answer.status), Some(431));
}

#[test]
fn what_comes_before_something_that_is_no_request_is_answered() {
    let service = Service::start();
    let mut connection = service.connect();
    connection
        .send("GET /livez HTTP/1.1\r\nhost: test\r\n\r\nHEAD /api/ HTTP/1.1\r\nhost: test\r\n\r\nnonsense\r\n\r\n");
    connection.answer().expect(200);
    assert_eq!(connection.head().status, 200);
}

#[test]
fn a_broken_chunk_is_a_400_and_nothing_is_recorded() {
    let service = Service::start();
    let head =
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    let bytes = format!("{head}\r\n{:x}\r\n{DEPLOYED}\r\nzz\r\n", DEPLOYED.len());
    answer(&service, bytes.as_bytes()).expect("an answer").problem(400);
    assert_eq!(service.all().len(), 0);
}

#[test]
fn a_request_without_one_valid_host_is_a_400() {
    let service = Service::start();
    for hosts in ["", "host: a\r\nhost: a\r\n", "host: a b\r\n", "host: a/b\r\n", "host: a@b\r\n"] {
        let mut connection = service.connect();
        connection.send(format!("GET /api/ HTTP/1.1\r\n{hosts}\r\n"));
        let answer = connection.answer();
        assert_eq!(answer.status, 400, "{hosts:?}");
        answer.problem(400);
    }
    let mut connection = service.connect();
    connection.send("GET /livez HTTP/1.0\r\n\r\n");
    connection.answer().expect(200);
}

#[test]
fn a_length_beside_chunks_is_refused_or_the_connection_is_closed() {
    let service = Service::start();
    let chunks = format!("{:x}\r\n{DEPLOYED}\r\n0\r\n\r\n", DEPLOYED.len());
    let smuggled = "GET /livez HTTP/1.1\r\nhost: test\r\n\r\n";
    for lengths in
        ["content-length: 5\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 5"]
    {
        let mut connection = service.connect();
        connection.send(format!(
            "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{lengths}\r\n\r\n{chunks}{smuggled}"
        ));
        let answer = connection.answer();
        assert!([201, 400].contains(&answer.status), "{answer:?}");
        assert!(connection.try_answer().is_err(), "what came behind was answered");
    }
}
