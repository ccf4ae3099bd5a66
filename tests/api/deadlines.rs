//! Writes that cannot finish in time: their backend stops, their client vanishes, or no standby confirms them.

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

/// A write's deadline of 3 s, plus some time for the request.
const DEADLINE: Duration = Duration::from_millis(3300);

/// Sends a write that must get 503 within the deadline.
#[track_caller]
fn assert_refused_in_time(send: impl FnOnce() -> Response) {
    let began = Instant::now();
    let response = send();
    let took = began.elapsed();
    response.problem(503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(took < DEADLINE, "{took:?}");
}

/// Reads a record and the list until the condition holds; each read must succeed within a second.
fn assert_reads_work_until(service: &Service, is_over: impl Fn() -> bool) {
    while !is_over() {
        for target in ["/api/1", "/api/", "/readyz"] {
            let began = Instant::now();
            let response = service.get(target);
            assert_eq!(response.status, 200, "{response:?}");
            assert!(began.elapsed() < Duration::from_secs(1), "{target} took {:?}", began.elapsed());
        }
    }
}

/// Suspends the backend of a write that waits for a lock; the write fails in time, and the service works again afterwards.
fn pause_blocked_backend(obstacle: &str) {
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let session = Session::open(&cluster.url());
    session.execute(&format!("begin; {obstacle}"));
    thread::scope(|scope| {
        let write = scope.spawn(|| assert_refused_in_time(|| service.post(DEPLOYED)));
        let suspended = PausedProcess::new(blocked_backend(&cluster.url(), &session));
        assert_reads_work_until(&service, || write.is_finished());
        write.join().unwrap();
        // Now the suspended backend gets the lock it waited for, and it holds the component's lock.
        session.execute("rollback");
        service.record(&DEPLOYED.replace("web", "another"));
        let write = scope.spawn(|| assert_refused_in_time(|| service.post(DEPLOYED)));
        assert_reads_work_until(&service, || write.is_finished());
        write.join().unwrap();
        drop(suspended);
        service.record(DEPLOYED);
    });
}

#[test]
fn a_write_whose_backend_is_suspended_before_it_has_its_lock_gets_503_in_time_and_reads_continue() {
    pause_blocked_backend("select lock_components(array['web'])");
}

#[test]
fn a_write_whose_backend_is_suspended_while_it_holds_its_lock_gets_503_in_time_and_reads_continue() {
    pause_blocked_backend("lock table records in share mode");
}

#[test]
fn a_write_that_is_carried_out_after_its_503_still_corrects_the_durations() {
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let writing =
        "select pid from pg_stat_activity where query like '%from write_records%' and pid <> pg_backend_pid()";
    let suspended = PausedProcess::new(sql(&cluster.url(), writing)[0][0].parse().unwrap());
    let start = json!({"version": "3", "status": "started", "started_at": "2026-01-01T10:00:00Z"});
    assert_refused_in_time(|| service.post(&deployed_with(&start)));
    let finish = service.record(&deployed_with(&json!({"version": "3", "finished_at": "2026-01-01T10:05:00Z"})));
    assert_eq!(finish["duration_missing"], "no start record");
    drop(suspended);
    eventually("the start is written", || service.all_records().len() == 3);
    assert_eq!(service.read(&finish["id"])["duration_seconds"], 300.0);
}

/// Sends a request whose commit waits for a standby, and ends that wait with this function of PostgreSQL.
fn end_standby_wait(cluster: &ReplicatedCluster, end: &str, send: impl FnOnce() -> Response + Send) -> Response {
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
fn a_commit_that_no_standby_confirms_is_not_acknowledged() {
    let cluster = ReplicatedCluster::start();
    // Hides PostgreSQL's warning about the missing confirmation; the service must override this.
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
        end_standby_wait(&cluster, end, || service.post(DEPLOYED)).problem(503);
        end_standby_wait(&cluster, end, || service.import(DEPLOYED)).problem(503);
        // In the second round each finds its first delivery, which is committed on the primary only.
        end_standby_wait(&cluster, end, keyed).problem(503);
        end_standby_wait(&cluster, end, changed).problem(503);
    }
    thread::scope(|scope| {
        let writes = [
            scope.spawn(|| assert_refused_in_time(keyed)),
            scope.spawn(|| assert_refused_in_time(changed)),
            scope.spawn(|| assert_refused_in_time(|| service.post(&DEPLOYED.replace("web", "another")))),
        ];
        assert_reads_work_until(&service, || writes.iter().all(thread::ScopedJoinHandle::is_finished));
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

/// A message of PostgreSQL's wire protocol.
fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    kind.into_iter().chain(length).chain(body.iter().copied()).collect()
}

/// Reads messages up to and including the first of this kind.
fn read_to(connection: &mut UnixStream, kind: u8) {
    loop {
        let mut head = [0; 5];
        connection.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4;
        connection.read_exact(&mut vec![0; length]).unwrap();
        assert_ne!(head[0], b'E', "an error message");
        if head[0] == kind {
            return;
        }
    }
}

#[test]
fn a_session_whose_client_vanished_during_a_write_is_terminated() {
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
    // Everything that a write sends except the Sync, which would commit it.
    let parse = b"\0select lock_components(array['web'])\0\0\0";
    let messages = [
        message(Some(b'P'), parse),
        message(Some(b'B'), &[0; 8]),
        message(Some(b'E'), &[0; 5]),
        message(Some(b'H'), b""),
    ];
    vanished.write_all(&messages.concat()).unwrap();
    read_to(&mut vanished, b'C');
    assert_refused_in_time(|| service.post(DEPLOYED));
    let locks = "select from pg_locks where locktype = 'advisory' and classid = 'records'::regclass and granted";
    eventually("the session is terminated", || sql(&url, locks).is_empty());
    service.record(DEPLOYED);
}
