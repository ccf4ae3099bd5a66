//! More that waits than there is room for.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use crate::harness::{DEPLOYED, OwnCluster, Service, Session, eventually, sql};

/// So many records wait in the service at most; the next is turned away.
const PLACES: usize = 4096 + 256;

#[test]
fn when_too_many_records_wait_the_next_is_503_with_retry_after_and_those_that_wait_are_recorded() {
    // For the service, too, which inherits it.
    let files =
        Command::new("prlimit").args(["--nofile=10000:10000", "--pid", &std::process::id().to_string()]).status();
    assert!(files.unwrap().success());
    // Of its own: the transaction below is a long one.
    let cluster = OwnCluster::start();
    let url = cluster.url();
    let service = Service::with(&[("DATABASE_URL", &url), ("DEPLOYLOG_STATEMENT_TIMEOUT", "60")]);
    let session = Session::open(&url);
    session.run("begin; lock table records");
    let request = format!(
        "POST /api/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{DEPLOYED}",
        DEPLOYED.len()
    );
    let mut waiting = Vec::new();
    let mut refusal = String::new();
    while refusal.is_empty() {
        assert!(waiting.len() <= PLACES, "nothing was turned away");
        let mut connection = TcpStream::connect(service.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        waiting.push(connection);
        if waiting.len() >= 4000 {
            let last = waiting.last_mut().unwrap();
            last.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let mut answer = [0; 1024];
            let length = last.read(&mut answer).unwrap_or(0);
            refusal = String::from_utf8_lossy(&answer[..length]).into_owned();
        }
    }
    assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.contains("\r\nretry-after: "), "{refusal}");
    session.run("rollback");
    let count = (waiting.len() - 1).to_string();
    eventually("the others are recorded", || sql(&url, "select count(*) from records") == [[count.as_str()]]);
    service.record(DEPLOYED);
}
