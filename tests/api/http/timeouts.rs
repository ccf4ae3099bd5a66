//! Slow senders and readers.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use crate::harness::{Connection, DEPLOYED, Database, Service, insert_large_records};

const HEAD: &str = "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";

/// Sends this byte by byte, slower than anything waits, until it is refused or something is answered.
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
fn a_body_that_comes_too_slowly_is_a_408_and_the_connection_closes() {
    let service = Service::with_settings(&[("DEPLOYLOG_BODY_TIMEOUT", "0.3")]);
    let length = DEPLOYED.len();
    for (framing, slow) in [
        (format!("content-length: {length}\r\n\r\n"), &b""[..]),
        (format!("content-length: {length}\r\n\r\n{{"), b""),
        ("transfer-encoding: chunked\r\n\r\n1\r\n{\r\n".to_owned(), b""),
        // Bytes that go on coming do not help: the time is that of the whole.
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
fn a_body_that_takes_its_time_within_the_limit_is_read() {
    let service = Service::with_settings(&[("DEPLOYLOG_BODY_TIMEOUT", "30")]);
    let mut connection = service.connect();
    connection.send(format!("{HEAD}content-length: {}\r\n\r\n{}", DEPLOYED.len(), &DEPLOYED[..20]));
    trickle(&connection, &DEPLOYED.as_bytes()[20..]);
    connection.response().expect(201);
}

#[test]
fn a_header_that_comes_too_slowly_is_a_408_and_the_connection_closes() {
    let service = Service::with_settings(&[("DEPLOYLOG_HEADER_TIMEOUT", "0.3")]);
    let slow = format!("{HEAD}{}", "x: y\r\n".repeat(100));
    for (said, slow) in [("GET /liv", ""), (HEAD, ""), ("", &slow)] {
        for is_kept in [false, true] {
            let mut connection = service.connect();
            if is_kept {
                connection.request("GET", "/livez", &[], None).expect(200);
            }
            let began = Instant::now();
            connection.send(said);
            trickle(&connection, slow.as_bytes());
            let response = connection.response();
            response.problem(408);
            assert_eq!(response.header("connection"), Some("close"));
            assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
            assert!(connection.is_closed());
            assert!((Duration::from_millis(200)..Duration::from_secs(10)).contains(&began.elapsed()), "{said:?}");
        }
    }
}

#[test]
fn a_connection_that_says_nothing_is_closed_in_silence() {
    let service = Service::with_settings(&[("DEPLOYLOG_HEADER_TIMEOUT", "0.3")]);
    assert!(service.connect().is_closed());
    let mut kept = service.connect();
    kept.request("GET", "/livez", &[], None).expect(200);
    assert!(kept.is_closed());
}

#[test]
fn a_reader_that_takes_nothing_is_cut() {
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
    // There is room for one connection: another is served when that one has been cut.
    service.get("/livez").expect(200);
    let mut bytes = 0;
    while let Ok(chunk) = connection.chunk() {
        assert!(!chunk.is_empty(), "it was sent all");
        bytes += chunk.len();
    }
    assert!(bytes < 40_000_000, "{bytes} bytes");
}

#[test]
fn a_reader_that_takes_a_little_now_and_then_is_not_cut() {
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
        // The reader's own pace: slower than the service writes, faster than it gives up.
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(lines, 10_000);
}
