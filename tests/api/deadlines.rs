//! Writes that do not end: their backend stops, their client vanishes, or no standby confirms them.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::harness::{
    DEPLOYED, PausedProcess, PrivateCluster, ReplicatedCluster, Response, Service, Session, blocked_backend,
    deployed_with, eventually, sql,
};

/// A write's deadline of 3 s, as a client sees it.
const DEADLINE: Duration = Duration::from_millis(3300);

/// Sends a write that is refused, in time.
#[track_caller]
fn is_refused_in_time(send: impl FnOnce() -> Response) {
    let began = Instant::now();
    let response = send();
    let took = began.elapsed();
    response.problem(503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(took < DEADLINE, "{took:?}");
}

/// Reads by id and lists are answered as ever, until then.
fn read_until(service: &Service, is_over: impl Fn() -> bool) {
    while !is_over() {
        for target in ["/api/1", "/api/", "/readyz"] {
            let began = Instant::now();
            let response = service.get(target);
            assert_eq!(response.status, 200, "{response:?}");
            assert!(began.elapsed() < Duration::from_secs(1), "{target} took {:?}", began.elapsed());
        }
    }
}

/// Stops the backend of a write that waits for what a session does first.
fn stop_behind(obstacle: &str) {
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let session = Session::open(&cluster.url());
    session.execute(&format!("begin; {obstacle}"));
    thread::scope(|scope| {
        let write = scope.spawn(|| is_refused_in_time(|| service.post(DEPLOYED)));
        let stopped = PausedProcess::new(blocked_backend(&cluster.url(), &session));
        read_until(&service, || write.is_finished());
        write.join().unwrap();
        // What the stopped backend waited for is its own now, and with it the component's lock.
        session.execute("rollback");
        service.record(&DEPLOYED.replace("web", "another"));
        let write = scope.spawn(|| is_refused_in_time(|| service.post(DEPLOYED)));
        read_until(&service, || write.is_finished());
        write.join().unwrap();
        drop(stopped);
        service.record(DEPLOYED);
    });
}

#[test]
fn a_write_whose_backend_stops_before_it_has_its_lock_is_503_within_three_seconds_and_reads_go_on() {
    stop_behind("select lock_components(array['web'])");
}

#[test]
fn a_write_whose_backend_stops_while_it_has_its_lock_is_503_within_three_seconds_and_reads_go_on() {
    stop_behind("lock table records in share mode");
}

#[test]
fn a_write_that_was_given_up_and_is_carried_out_later_is_right_then() {
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let writing =
        "select pid from pg_stat_activity where query like '%from write_records%' and pid <> pg_backend_pid()";
    let stopped = PausedProcess::new(sql(&cluster.url(), writing)[0][0].parse().unwrap());
    let start = json!({"version": "3", "status": "started", "started_at": "2026-01-01T10:00:00Z"});
    is_refused_in_time(|| service.post(&deployed_with(&start)));
    let finish = service.record(&deployed_with(&json!({"version": "3", "finished_at": "2026-01-01T10:05:00Z"})));
    assert_eq!(finish["duration_missing"], "no start record");
    drop(stopped);
    eventually("the start is carried out", || service.all_records().len() == 3);
    assert_eq!(service.read(&finish["id"])["duration_seconds"], 300.0);
}

/// Ends the wait of each commit for a standby, in a way of PostgreSQL's, while a request is answered.
fn cut_short(cluster: &ReplicatedCluster, end: &str, send: impl FnOnce() -> Response + Send) -> Response {
    let url = cluster.url();
    thread::scope(|scope| {
        let response = scope.spawn(send);
        let end = format!(
            "select {end}(pid) from pg_stat_activity where wait_event = 'SyncRep' and query not like '%heartbeats%'"
        );
        eventually("a commit waits for a standby", || !sql(&url, &end).is_empty());
        response.join().unwrap()
    })
}

#[test]
fn a_commit_that_no_standby_confirms_is_never_acknowledged() {
    let cluster = ReplicatedCluster::start();
    // The service sees to it that the warning reaches it.
    let url = format!("{} options='-c client_min_messages=error'", cluster.url());
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    let first = service.record(DEPLOYED);
    cluster.set_synchronous_standby("nobody");

    let keyed = || {
        service.request(
            "POST",
            "/api/",
            &[("idempotency-key", "k"), ("content-type", "application/json")],
            Some(DEPLOYED),
        )
    };
    let changed = || service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#);
    for end in ["pg_cancel_backend", "pg_terminate_backend"] {
        cut_short(&cluster, end, || service.post(DEPLOYED)).problem(503);
        cut_short(&cluster, end, || service.import(DEPLOYED)).problem(503);
        // The second time each finds what the first has committed here.
        cut_short(&cluster, end, keyed).problem(503);
        cut_short(&cluster, end, changed).problem(503);
    }
    thread::scope(|scope| {
        let writes = [
            scope.spawn(|| is_refused_in_time(keyed)),
            scope.spawn(|| is_refused_in_time(changed)),
            scope.spawn(|| is_refused_in_time(|| service.post(&DEPLOYED.replace("web", "another")))),
        ];
        read_until(&service, || writes.iter().all(thread::ScopedJoinHandle::is_finished));
        for write in writes {
            write.join().unwrap();
        }
    });

    cluster.set_synchronous_standby("");
    let replay = keyed().expect(200);
    assert_eq!(service.read(&replay["id"]), replay);
    assert_eq!(changed().expect(200)["id"], first["id"]);
    service.record(DEPLOYED);
}

/// A message of PostgreSQL's protocol.
fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    kind.into_iter().chain(length).chain(body.iter().copied()).collect()
}

/// Reads messages up to one of this kind.
fn read_to(connection: &mut UnixStream, kind: u8) {
    loop {
        let mut head = [0; 5];
        connection.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4;
        connection.read_exact(&mut vec![0; length]).unwrap();
        assert_ne!(head[0], b'E', "an error");
        if head[0] == kind {
            return;
        }
    }
}

#[test]
fn a_session_whose_client_vanished_in_the_middle_of_a_write_is_ended() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    service.record(DEPLOYED);
    let setting = |name: &str| url.split(' ').find_map(|part| part.strip_prefix(name)).unwrap().to_owned();
    let mut vanished = UnixStream::connect(format!("{}/.s.PGSQL.5432", setting("host="))).unwrap();
    let names = format!("user\0{}\0database\0{}\0\0", setting("user="), setting("dbname="));
    let startup = [&196_608_u32.to_be_bytes(), names.as_bytes()].concat();
    vanished.write_all(&message(None, &startup)).unwrap();
    read_to(&mut vanished, b'Z');
    // All that a write sends but the Sync, by which it commits.
    let parse = b"\0select lock_components(array['web'])\0\0\0";
    let messages = [
        message(Some(b'P'), parse),
        message(Some(b'B'), &[0; 8]),
        message(Some(b'E'), &[0; 5]),
        message(Some(b'H'), b""),
    ];
    vanished.write_all(&messages.concat()).unwrap();
    read_to(&mut vanished, b'C');
    is_refused_in_time(|| service.post(DEPLOYED));
    let locks = "select from pg_locks where locktype = 'advisory' and classid = 'records'::regclass and granted";
    eventually("the session is ended", || sql(&url, locks).is_empty());
    service.record(DEPLOYED);
}
