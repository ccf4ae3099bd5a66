//! Request bodies: size limits, media types, framing and `Expect`.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use super::JSON;
use crate::harness::{Connection, DEPLOYED, Service};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// A record padded with spaces to this length.
fn padded(length: usize) -> String {
    format!("{DEPLOYED}{}", " ".repeat(length - DEPLOYED.len()))
}

/// Posts a body in chunks.
fn send_in_chunks(connection: &mut Connection, (name, value): (&str, &str), body: &[u8]) {
    connection
        .send(format!("POST /api/ HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\ntransfer-encoding: chunked\r\n\r\n"));
    for chunk in body.chunks(16 * KIB) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        connection.send(framed);
    }
    connection.send("0\r\n\r\n");
}

#[test]
fn a_body_of_64_kib_is_accepted_and_one_byte_more_gets_413() {
    let service = Service::start();
    service.record(DEPLOYED);
    for (method, path, status) in [("POST", "/api/", 201), ("PUT", "/api/1", 200), ("PATCH", "/api/1", 200)] {
        service.send_json(method, path, &padded(64 * KIB)).expect(status);
        assert!(service.send_json(method, path, &padded(64 * KIB + 1)).problem(413).contains("64 KiB"));
    }
    for (length, status) in [(64 * KIB, 201), (64 * KIB + 1, 413)] {
        let mut connection = service.connect();
        send_in_chunks(&mut connection, JSON, padded(length).as_bytes());
        connection.response().expect(status);
    }
    assert_eq!(service.all_records().len(), 3);
}

#[test]
fn an_ndjson_body_of_8_mib_is_accepted_and_one_byte_more_gets_413() {
    let service = Service::start();
    service.import(&padded(8 * MIB)).expect(201);
    service.import(&padded(8 * MIB + 1)).problem(413);
    let mut connection = service.connect();
    send_in_chunks(&mut connection, NDJSON, padded(8 * MIB + 1).as_bytes());
    connection.response().problem(413);
    assert_eq!(service.all_records().len(), 1);
}

#[test]
fn a_sender_that_reads_only_after_sending_everything_still_gets_413_and_a_closed_connection() {
    let service = Service::start();
    let body = padded(9 * MIB);
    let mut announced = service.connect();
    let response = announced.request("POST", "/api/", &[JSON], Some(body.as_bytes()));
    response.problem(413);
    assert_eq!(response.header("connection"), Some("close"));
    assert!(announced.is_closed());
    let mut in_chunks = service.connect();
    send_in_chunks(&mut in_chunks, NDJSON, body.as_bytes());
    in_chunks.response().problem(413);
    assert!(in_chunks.is_closed());
}

#[test]
fn a_sender_that_needs_some_seconds_to_send_too_much_still_gets_413() {
    let service = Service::start();
    let mut connection = service.connect();
    connection
        .send(format!("POST /api/ HTTP/1.1\r\nhost: test\r\n{}: {}\r\ncontent-length: 80000\r\n\r\n", JSON.0, JSON.1));
    for _ in 0..40 {
        connection.stream().write_all(&[b' '; 2_000]).expect("the service reads");
        // A slow sender, which does not look for the response until it has sent everything.
        std::thread::sleep(Duration::from_millis(100));
    }
    connection.response().problem(413);
}

#[test]
fn a_refusal_without_reading_the_body_closes_the_connection_cleanly() {
    let service = Service::start();
    let body = padded(MIB);
    for (method, path, content_type, status) in [
        ("POST", "/api/", "text/plain", 415),
        ("POST", "/api/?colour=red", "application/json", 400),
        ("POST", "/none", "application/json", 404),
        ("PUT", "/api/", "application/json", 405),
        ("BREW", "/api/", "application/json", 501),
    ] {
        let mut connection = service.connect();
        let response = connection.request(method, path, &[("content-type", content_type)], Some(body.as_bytes()));
        response.problem(status);
        assert_eq!(response.header("connection"), Some("close"), "{method} {path}");
        assert!(connection.is_closed());
    }
}

#[test]
fn a_request_without_a_length_or_chunks_gets_411() {
    let service = Service::start();
    service.record(DEPLOYED);
    for (method, path) in [("POST", "/api/"), ("PUT", "/api/1"), ("PATCH", "/api/1")] {
        service.request(method, path, &[JSON], None).problem(411);
    }
    service.request("POST", "/api/", &[NDJSON], None).problem(411);
    service.post("").problem(400);
}

#[test]
fn an_unsupported_content_type_gets_415() {
    let service = Service::start();
    service.record(DEPLOYED);
    for content_type in [
        "text/plain",
        "text/json",
        "application/jsonp",
        "application/json2",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/json; charset=utf-16",
        "application/*",
        "",
    ] {
        let headers = [("content-type", content_type)];
        for (method, path) in [("POST", "/api/"), ("PUT", "/api/1"), ("PATCH", "/api/1")] {
            let response = service.request(method, path, &headers, Some(DEPLOYED));
            assert!(response.problem(415).contains("application/json"), "{content_type}");
        }
    }
    service.request("POST", "/api/", &[], Some(DEPLOYED)).problem(415);
    service.request("POST", "/api/", &[("content-type", "application/merge-patch+json")], Some(DEPLOYED)).problem(415);
    service.request("PUT", "/api/1", &[("content-type", "application/merge-patch+json")], Some(DEPLOYED)).problem(415);
    service.request("POST", "/api/", &[JSON, ("content-encoding", "gzip")], Some(DEPLOYED)).problem(415);
    assert_eq!(service.all_records().len(), 1);
}

#[test]
fn json_with_the_charset_utf_8_is_accepted() {
    let service = Service::start();
    for content_type in
        ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON ; Charset=\"utf-8\""]
    {
        service.request("POST", "/api/", &[("content-type", content_type)], Some(DEPLOYED)).expect(201);
        service.request("PUT", "/api/1", &[("content-type", content_type)], Some(DEPLOYED)).expect(200);
    }
}

#[test]
fn expect_100_continue_gets_100_and_then_the_response() {
    let service = Service::start();
    let mut connection = service.connect();
    for _ in 0..2 {
        let length = DEPLOYED.len();
        connection.send(format!(
            "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
             content-length: {length}\r\n\r\n"
        ));
        assert_eq!(connection.head().status, 100);
        connection.send(DEPLOYED);
        connection.response().expect(201);
    }
}

#[test]
fn expect_100_continue_of_a_refused_body_gets_the_refusal_at_once() {
    let service = Service::start();
    for (content_type, length, status) in
        [("application/json", 64 * KIB + 1, 413), ("application/x-ndjson", 8 * MIB + 1, 413), ("text/plain", 10, 415)]
    {
        let mut connection = service.connect();
        connection.send(format!(
            "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\nexpect: 100-continue\r\n\
             content-length: {length}\r\n\r\n"
        ));
        let response = connection.response();
        response.problem(status);
        assert_eq!(response.header("connection"), Some("close"));
        assert!(connection.is_closed());
    }
}

#[test]
fn an_incomplete_body_is_not_recorded() {
    let service = Service::start();
    for framing in ["content-length: 1000\r\n\r\n".to_owned(), "transfer-encoding: chunked\r\n\r\n3e8\r\n".to_owned()] {
        let mut connection = service.connect();
        let head = "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-ndjson\r\n";
        connection.send(format!("{head}{framing}{DEPLOYED}\n"));
        connection.stream().shutdown(std::net::Shutdown::Write).unwrap();
        // A response is optional, but must be a refusal.
        let mut response = String::new();
        connection.stream().read_to_string(&mut response).unwrap();
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 400 "), "{response}");
    }
    assert_eq!(service.all_records().len(), 0);
}

#[test]
fn a_body_can_come_in_chunks_of_one_byte_and_the_connection_stays_open() {
    let service = Service::start();
    let mut connection = service.connect();
    for _ in 0..2 {
        connection.send("POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n");
        connection.send("transfer-encoding: chunked\r\n\r\n");
        for byte in DEPLOYED.bytes() {
            connection.stream().write_all(&[b"1;x=y\r\n", &[byte][..], b"\r\n"].concat()).unwrap();
        }
        connection.send("0\r\ntrailer: x\r\n\r\n");
        let response = connection.response();
        response.expect(201);
        assert_eq!(response.header("connection"), None);
    }
}
