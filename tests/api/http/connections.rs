//! Connections: keep-alive, pipelining, half-close, clients that disconnect, and limits.

use std::{
    io::{ErrorKind, Write as _},
    net::Shutdown,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;

use super::JSON;
use crate::harness::{Connection, DEPLOYED, Database, PROGRAM, Service, Session, deployed_with, eventually};

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nhost: test\r\n\r\n";

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Whether nothing arrives within 300 milliseconds.
fn is_silent(connection: &Connection) -> bool {
    let stream = connection.stream();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let seen = stream.peek(&mut [0]);
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_connection_stays_open_after_many_requests_including_refused_ones() {
    let service = Service::start();
    let mut connection = service.connect();
    for _ in 0..20 {
        connection.request("POST", "/api/", &[JSON], Some(DEPLOYED.as_bytes())).expect(201);
        connection.request("POST", "/api/", &[JSON], Some(b"{}")).problem(400);
        connection.request("GET", "/none", &[], None).problem(404);
        assert_eq!(connection.request("DELETE", "/api/1000", &[], None).status, 404);
        assert_eq!(connection.request("OPTIONS", "/api/", &[], None).status, 204);
    }
    let response = connection.request("GET", "/api/", &[("connection", "close")], None);
    assert_eq!(response.expect(200).as_array().map(Vec::len), Some(20));
    assert!(connection.is_closed());
}

#[test]
fn pipelined_requests_get_their_responses_in_order() {
    let service = Service::start();
    let mut connection = service.connect();
    let requests = (0..50).map(|number| {
        let post = post(&deployed_with(&json!({ "version": number.to_string() })));
        let list = format!("GET /api/?limit=1&version={number} HTTP/1.1\r\nhost: test\r\n\r\n");
        let head = "HEAD /api/ HTTP/1.1\r\nhost: test\r\n\r\n";
        post + &list + head + "GET /none HTTP/1.1\r\nhost: test\r\n\r\n"
    });
    connection.send(requests.collect::<String>());
    for number in 0..50 {
        let record = connection.response().expect(201);
        assert_eq!(record["version"], number.to_string());
        assert_eq!(connection.response().expect(200), json!([record]));
        assert_eq!(connection.head().status, 200);
        connection.response().problem(404);
    }
}

#[test]
fn a_request_gets_its_response_although_the_next_one_is_incomplete() {
    let service = Service::start();
    for beginning in ["\r\n", "G", "GET /li", "GET /livez HTTP/1.1\r\nhost"] {
        let mut connection = service.connect();
        connection.send(post(DEPLOYED) + beginning);
        connection.stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(
            connection.try_response().is_ok_and(|response| response.status == 201),
            "no response before {beginning:?}"
        );
        connection.send(&LIVEZ[beginning.trim().len()..]);
        connection.response().expect(200);
    }
}

#[test]
fn a_client_that_half_closes_gets_its_responses() {
    let service = Service::start();
    let mut connection = service.connect();
    connection.send(post(DEPLOYED) + LIVEZ);
    connection.stream().shutdown(Shutdown::Write).unwrap();
    connection.response().expect(201);
    connection.response().expect(200);
    assert!(connection.is_closed());
}

#[test]
fn a_write_is_carried_out_even_if_its_client_disconnects() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let id = service.record(DEPLOYED)["id"].clone();
    let post = post(&deployed_with(&json!({ "component": "db" })));
    let delete = format!("DELETE /api/{id} HTTP/1.1\r\nhost: test\r\n\r\n");
    let components = "select component from records order by id";
    for (write, expected) in [(post, vec![["web"], ["db"]]), (delete, vec![["db"]])] {
        // The write waits for this lock, so it cannot end before its client disconnects.
        let session = Session::open(&database.url());
        session.execute("begin; lock table records in share mode");
        let mut connection = service.connect();
        connection.send(write);
        eventually("the write waits", || {
            let waiting = "select from pg_locks where relation = 'records'::regclass and not granted";
            !database.sql(waiting).is_empty()
        });
        drop(connection);
        drop(session);
        eventually("the write is done", || database.sql(components) == expected);
    }
}

#[test]
fn a_connection_above_the_limit_waits_until_another_one_closes() {
    let service = Service::with_settings(&[("DEPLOYLOG_MAX_CONNECTIONS", "2")]);
    let mut connections = [(); 2].map(|()| service.connect());
    for connection in &mut connections {
        connection.request("GET", "/livez", &[], None).expect(200);
    }
    let mut third = service.connect();
    third.send(post(DEPLOYED));
    assert!(is_silent(&third), "the third connection must wait");
    let [first, mut second] = connections;
    second.request("GET", "/livez", &[], None).expect(200);
    drop(first);
    third.response().expect(201);
    second.request("GET", "/livez", &[], None).expect(200);
}

#[test]
fn a_connection_above_the_limit_of_its_address_gets_429_and_takes_no_slot() {
    let service =
        Service::with_settings(&[("DEPLOYLOG_MAX_CONNECTIONS", "3"), ("DEPLOYLOG_MAX_CONNECTIONS_PER_ADDRESS", "2")]);
    let mut connections = [(); 2].map(|()| service.connect());
    for connection in &mut connections {
        connection.request("GET", "/livez", &[], None).expect(200);
    }
    for _ in 0..5 {
        let mut third = service.connect();
        third.send(post(DEPLOYED));
        let response = third.response();
        response.problem(429);
        assert_eq!((response.header("connection"), response.header("retry-after")), (Some("close"), Some("30")));
        assert!(third.is_closed());
    }
    // Connections above the limit that send nothing get no response, but do not block others either.
    let _silent: Vec<_> = (0..5).map(|_| service.connect()).collect();
    let from_elsewhere = Command::new("curl")
        .args(["--silent", "--fail", "--interface", "127.0.0.2", &format!("http://{}/livez", service.address)])
        .output();
    assert!(from_elsewhere.unwrap().status.success());
    let [first, mut second] = connections;
    assert_eq!(second.request("GET", "/api/", &[], None).expect(200), json!([]));
    drop(first);
    eventually("another connection is accepted", || service.post(DEPLOYED).status == 201);
}

#[test]
fn a_low_limit_of_open_files_reduces_the_connections_and_the_service_keeps_responding() {
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 100 && exec \"$0\"", PROGRAM])
        .env("DATABASE_URL", Database::new().url())
        .env("DEPLOYLOG_LISTEN", "127.0.0.1:0")
        .env("DEPLOYLOG_ALLOW_HOST", "test")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let service = Service::wait_until_ready(child);
    // 100 minus 12 for the pool, 30 for the service itself and 16 for refusals is 42; one address can use 38 of them.
    let mut held: Vec<_> = (0..38).map(|_| service.connect()).collect();
    for connection in &mut held {
        connection.request("GET", "/livez", &[], None).expect(200);
    }
    let _idle: Vec<_> = (0..30).map(|_| service.connect()).collect();
    assert_eq!(held[0].request("POST", "/api/", &[JSON], Some(DEPLOYED.as_bytes())).status, 201);
    let from_elsewhere = Command::new("curl")
        .args(["--silent", "--fail", "--interface", "127.0.0.2", &format!("http://{}/readyz", service.address)])
        .output();
    assert!(from_elsewhere.unwrap().status.success());
    drop(held);
    // Until the service notices the closed connections, it closes those above its refusals without a response.
    eventually("another connection is accepted", || {
        let mut another = service.connect();
        another.stream().write_all(LIVEZ.as_bytes()).is_ok()
            && another.try_response().is_ok_and(|response| response.status == 200)
    });
}
