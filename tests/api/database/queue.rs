//! A full write queue.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

use crate::harness::{DEPLOYED, PrivateCluster, Service, Session, sql};

/// The most records that wait in the service: in the queue, in the next group and in three groups in flight.
const CAPACITY: usize = 4096 + 4 * 256;

/// Clients that have each sent a request, and the start of each response that has arrived.
struct Clients(Vec<(TcpStream, Option<String>)>);

impl Clients {
    /// The responses that have arrived since the last call, possibly only their start.
    fn new_responses(&mut self) -> Vec<String> {
        let mut new = Vec::new();
        for (connection, response) in self.0.iter_mut().filter(|(_, response)| response.is_none()) {
            let mut bytes = [0; 1024];
            if let Ok(length) = connection.read(&mut bytes) {
                *response = Some(String::from_utf8_lossy(&bytes[..length]).into_owned());
                new.extend(response.clone());
            }
        }
        new
    }

    fn are_all_answered(&self) -> bool {
        self.0.iter().all(|(_, response)| response.is_some())
    }
}

#[test]
fn a_full_queue_refuses_the_next_record_at_once_and_answers_the_waiting_ones_in_time() {
    // Raises the limit for the service too, which inherits it.
    let files =
        Command::new("prlimit").args(["--nofile=20000:20000", "--pid", &std::process::id().to_string()]).status();
    assert!(files.unwrap().success());
    // A separate cluster, because the long transaction below would disturb other tests.
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let request = format!(
        "POST /api/ HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{DEPLOYED}",
        DEPLOYED.len()
    );
    let connect = || (TcpStream::connect(service.address).unwrap(), None);
    let mut clients = Clients((0..=CAPACITY).map(|_| connect()).collect());
    let session = Session::open(&url);
    session.execute("begin; lock table records");
    let began = Instant::now();
    for (connection, _) in &mut clients.0 {
        connection.write_all(request.as_bytes()).unwrap();
        connection.set_nonblocking(true).unwrap();
    }
    let mut refused = Vec::new();
    while refused.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(3), "no record was refused before the first deadline");
        refused = clients.new_responses();
    }
    session.execute("rollback");
    for refusal in &refused {
        assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.contains("\r\nretry-after: "), "{refusal}");
    }
    let mut acknowledged = 0;
    while !clients.are_all_answered() {
        assert!(began.elapsed() < Duration::from_secs(8), "some requests have no response");
        for response in clients.new_responses() {
            let is_acknowledged = response.starts_with("HTTP/1.1 201 ");
            assert!(is_acknowledged || response.starts_with("HTTP/1.1 503 "), "{response}");
            acknowledged += usize::from(is_acknowledged);
        }
    }
    let recorded: usize = sql(&url, "select count(*) from records")[0][0].parse().unwrap();
    assert!(recorded >= acknowledged, "every acknowledged record is stored: {recorded} of {acknowledged}");
    assert!(acknowledged > 1000, "{acknowledged}");
    service.record(DEPLOYED);
}
