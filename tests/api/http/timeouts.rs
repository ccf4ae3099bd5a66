//! Timeouts for slow senders and slow readers.

use std::{
    io::{ErrorKind, Write as _},
    time::{Duration, Instant},
};

use crate::harness::{Connection, DEPLOYED, Database, Service, Subscriber, insert_large_records};

const HEAD: &str = "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";

/// Sends one byte every 50 milliseconds until the service responds or closes the connection.
fn trickle(connection: &Connection, bytes: &[u8]) {
    let mut stream = connection.stream();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() || stream.peek(&mut [0]).is_ok() {
            break;
        }
    }
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
}

#[test]
fn a_slow_body_gets_408_and_the_connection_closes() {
    let service = Service::with_settings(&[("DEPLOYLOG_BODY_TIMEOUT", "0.3")]);
    let length = DEPLOYED.len();
    for (framing, slow) in [
        (format!("content-length: {length}\r\n\r\n"), &b""[..]),
        (format!("content-length: {length}\r\n\r\n{{"), b""),
        ("transfer-encoding: chunked\r\n\r\n1\r\n{\r\n".to_owned(), b""),
        // The timeout covers the whole body, so bytes that keep arriving do not extend it.
        (format!("content-length: {length}\r\n\r\n"), &DEPLOYED.as_bytes()[..length - 1]),
    ] {
        let began = Instant::now();
        let mut connection = service.connect();
        connection.send(format!("{HEAD}{framing}"));
        trickle(&connection, slow);
        let response = connection.response();
        response.problem(408);
        assert_eq!(response.header("connection"), Some("close"));
        assert!(connection.is_closed());
        assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&began.elapsed()), "{framing}");
    }
    assert_eq!(service.all_records().len(), 0);
}

#[test]
fn a_slow_body_within_the_timeout_is_accepted() {
    let service = Service::with_settings(&[("DEPLOYLOG_BODY_TIMEOUT", "30")]);
    let mut connection = service.connect();
    connection.send(format!("{HEAD}content-length: {}\r\n\r\n{}", DEPLOYED.len(), &DEPLOYED[..20]));
    trickle(&connection, &DEPLOYED.as_bytes()[20..]);
    connection.response().expect(201);
}

#[test]
fn a_slow_head_gets_408_and_the_connection_closes() {
    let service = Service::with_settings(&[("DEPLOYLOG_HEADER_TIMEOUT", "0.3")]);
    let slow = format!("{HEAD}{}", "x: y\r\n".repeat(100));
    for (start, slow) in [("GET /liv", ""), (HEAD, ""), ("", &slow)] {
        for is_reused in [false, true] {
            let mut connection = service.connect();
            if is_reused {
                connection.request("GET", "/livez", &[], None).expect(200);
            }
            let began = Instant::now();
            connection.send(start);
            trickle(&connection, slow.as_bytes());
            let response = connection.response();
            response.problem(408);
            assert_eq!(response.header("connection"), Some("close"));
            assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
            assert!(connection.is_closed());
            assert!((Duration::from_millis(200)..Duration::from_secs(10)).contains(&began.elapsed()), "{start:?}");
        }
    }
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let service = Service::with_settings(&[("DEPLOYLOG_HEADER_TIMEOUT", "0.3")]);
    assert!(service.connect().is_closed());
    let mut reused = service.connect();
    reused.request("GET", "/livez", &[], None).expect(200);
    assert!(reused.is_closed());
}

#[test]
fn a_reader_that_reads_nothing_is_disconnected() {
    let database = Database::new();
    let service = Service::with_settings(&[
        ("DATABASE_URL", &database.url()),
        ("DEPLOYLOG_WRITE_TIMEOUT", "0.5"),
        ("DEPLOYLOG_MAX_CONNECTIONS", "1"),
    ]);
    insert_large_records(&database, 20_000);
    let mut connection = service.connect();
    connection.send("GET /api/ HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    // Only one connection is allowed, so this one is served after the first was closed.
    service.get("/livez").expect(200);
    let mut bytes = 0;
    while let Ok(chunk) = connection.chunk() {
        assert!(!chunk.is_empty(), "the whole response arrived");
        bytes += chunk.len();
    }
    assert!(bytes < 40_000_000, "{bytes} bytes");
}

#[test]
fn a_reader_that_reads_slowly_is_not_disconnected() {
    let database = Database::new();
    let service = Service::with_settings(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_WRITE_TIMEOUT", "2")]);
    insert_large_records(&database, 10_000);
    let mut connection = service.connect();
    connection.send("GET /api/ HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n\r\n");
    assert_eq!(connection.head().status, 200);
    let mut lines = 0;
    loop {
        let chunk = connection.chunk().expect("the next chunk");
        if chunk.is_empty() {
            break;
        }
        lines += str::from_utf8(&chunk).unwrap().matches('\n').count();
        // A slow reader: slower than the service writes, faster than the write timeout.
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(lines, 10_000);
}

#[test]
fn an_idle_event_stream_is_not_disconnected() {
    let timeouts = [("DEPLOYLOG_WRITE_TIMEOUT", "0.2"), ("DEPLOYLOG_HEADER_TIMEOUT", "0.2")];
    let service = Service::with_settings(&timeouts);
    let mut events = Subscriber::start(&service, "/api/events");
    events.set_read_timeout(Duration::from_secs(1));
    assert!(
        events.try_next().is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "nothing happens for a second"
    );
    events.set_read_timeout(Duration::from_secs(60));
    let id = service.record(DEPLOYED)["id"].clone();
    assert_eq!(events.next().data["id"], id);
}
