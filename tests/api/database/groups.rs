//! Requests that the service combines into one statement: each still gets its own response.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    DEPLOYED, Database, SENDERS, Service, Session, components_with_distinct_locks, count_lock_waits, deployed_with,
    eventually, send_concurrently, service_with_long_timeout,
};

/// How many statements wrote the records: all records of one statement have the same `recorded_at`.
const STATEMENTS: &str = "select count(distinct recorded_at) from records";

#[test]
fn a_start_and_its_finish_in_one_statement_are_paired() {
    let (database, service) = service_with_long_timeout();
    let responses = send_concurrently(&database, &service, |service, number| {
        let (status, moment, at) = [("started", "started_at", "10:00"), ("failed", "finished_at", "10:01")][number % 2];
        let times =
            json!({"version": (number / 2).to_string(), "status": status, moment: format!("2026-11-24T{at}:00Z")});
        service.post(&deployed_with(&times))
    });
    let statements: usize = database.sql(STATEMENTS)[0][0].parse().unwrap();
    assert!(statements <= 2, "the first record is written at once, the others share the next statement: {statements}");
    for pair in responses.chunks(2) {
        // Read again: a start that was written after its finish changes the finish.
        let finish = service.read(&pair[1].expect(201)["id"]);
        assert_eq!((&finish["start_id"], &finish["duration_seconds"]), (&pair[0].expect(201)["id"], &json!(60.0)));
    }
}

#[test]
fn a_record_that_the_database_refuses_does_not_affect_the_others_of_its_statement() {
    let (database, service) = service_with_long_timeout();
    database.sql("alter table records add check (owner <> 'nobody')");
    let responses = send_concurrently(&database, &service, |service, number| {
        service.post(&deployed_with(
            &json!({"component": number.to_string(), "owner": if number == 7 { "nobody" } else { "ann" }}),
        ))
    });
    for (number, response) in responses.iter().enumerate() {
        assert_eq!(response.status, if number == 7 { 500 } else { 201 }, "{number}");
    }
    assert_eq!(service.all_records().len(), SENDERS - 1);
}

#[test]
fn a_record_that_cannot_be_read_does_not_affect_the_others_of_its_statement() {
    let (database, service) = service_with_long_timeout();
    for _ in 0..SENDERS {
        service.record(DEPLOYED);
    }
    database.sql("update records set recorded_at = 'infinity' where id = 7");
    let session = Session::open(&database.url());
    session.execute("begin; lock table records in access exclusive mode");
    std::thread::scope(|scope| {
        let service = &service;
        let reads: Vec<_> =
            (1..=SENDERS).map(|id| scope.spawn(move || service.get(&format!("/api/{id}")).status)).collect();
        eventually("two statements wait, which hold all reads", || {
            let waiting = "select from pg_locks where relation = 'records'::regclass and not granted";
            database.sql(waiting).len() == 2
        });
        drop(session);
        for (id, read) in (1..).zip(reads) {
            assert_eq!(read.join().unwrap(), if id == 7 { 500 } else { 200 }, "{id}");
        }
    });
}

#[test]
fn writes_that_wait_for_a_change_of_their_component_share_a_statement_after_it() {
    let (database, service) = service_with_long_timeout();
    let other = Service::with_database(&database);
    service.record(DEPLOYED);
    let session = Session::open(&database.url());
    session.execute("begin; select from records where id = 1 for update");
    std::thread::scope(|scope| {
        let change = scope.spawn(|| service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#));
        eventually("the change has locked its component and waits", || session.is_blocking());
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| service.post(DEPLOYED))).collect();
        let waiting = format!("deploylog_queue_requests{{queue=\"write\"}} {SENDERS}\n");
        eventually("the writes wait for the change", || service.get("/metrics").body.contains(&waiting));
        // Meanwhile another process can write records of another component.
        other.record(&deployed_with(&json!({"component": "api"})));
        session.execute("commit");
        change.join().unwrap().expect(200);
        for sender in senders {
            sender.join().unwrap().expect(201);
        }
    });
    let statements: usize =
        database.sql(&format!("{STATEMENTS} where id > 1 and component = 'web'"))[0][0].parse().unwrap();
    assert!(statements <= 2, "the first record is written at once, the others share the next statement: {statements}");
}

#[test]
fn a_write_that_misses_its_deadline_gets_503_and_so_do_the_writes_in_flight_after_it() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    let components = components_with_distinct_locks(&database, 65);
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    let post = |component: &String| {
        let began = Instant::now();
        let response = service.post(&deployed_with(&json!({"component": component})));
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!(response.header("retry-after"), (response.status == 503).then_some("1"), "{response:?}");
        response.status
    };
    let (first, others) = std::thread::scope(|scope| {
        let post = &post;
        let first = scope.spawn(|| post(&components[0]));
        eventually("the first write waits", || count_lock_waits(&database.url()) == 1);
        let others: Vec<_> = components[1..].iter().map(|component| scope.spawn(move || post(component))).collect();
        let began = Instant::now();
        service.get("/api/1").expect(200);
        service.get("/api/").expect(200);
        service.send_json("PATCH", "/api/1", r#"{"component":"service-of-its-own"}"#).problem(503);
        assert!(began.elapsed() > Duration::from_secs(2), "the change waits for the lock too");
        (first.join().unwrap(), others.into_iter().map(|other| other.join().unwrap()).collect::<Vec<_>>())
    });
    assert_eq!(first, 503);
    let refused = others.iter().filter(|status| **status == 503).count();
    // At least one group was sent after the one that waits.
    assert!(refused >= 16 && others.iter().all(|status| [201, 503].contains(status)), "{others:?}");
    eventually("the writes that missed their deadline are cancelled", || count_lock_waits(&database.url()) == 0);
    session.execute("rollback");
    service.record(DEPLOYED);
    assert_eq!(service.get("/api/?component=web").json().as_array().unwrap().len(), 2);
}
