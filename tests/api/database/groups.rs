//! Records that share a statement: each is answered by itself.

use std::{
    thread::{Scope, ScopedJoinHandle},
    time::Duration,
};

use serde_json::json;

use crate::harness::{Answer, DEPLOYED, Database, SENDERS, Service, Session, at_once, deployed, eventually, patient};

/// How many statements wrote what the table holds: all that one writes is recorded at one moment.
const STATEMENTS: &str = "select count(distinct recorded_at) from records";

#[test]
fn a_start_and_its_finish_that_share_a_statement_pair() {
    let (database, service) = patient();
    let answers = at_once(&database, &service, |service, number| {
        let (status, moment, at) = [("started", "started_at", "10:00"), ("failed", "finished_at", "10:01")][number % 2];
        let times =
            json!({"version": (number / 2).to_string(), "status": status, moment: format!("2026-11-24T{at}:00Z")});
        service.post(&deployed(&times))
    });
    let statements: usize = database.sql(STATEMENTS)[0][0].parse().unwrap();
    assert!(statements <= 2, "one goes at once, the others share the next: {statements}");
    for pair in answers.chunks(2) {
        // As it stands: a start that came later than its finish has completed it.
        let finish = service.read(&pair[1].expect(201)["id"]);
        assert_eq!((&finish["start_id"], &finish["duration_seconds"]), (&pair[0].expect(201)["id"], &json!(60.0)));
    }
}

#[test]
fn what_the_database_refuses_of_one_costs_its_neighbours_nothing() {
    let (database, service) = patient();
    database.sql("alter table records add check (owner <> 'nobody')");
    let answers = at_once(&database, &service, |service, number| {
        service.post(&deployed(
            &json!({"component": number.to_string(), "owner": if number == 7 { "nobody" } else { "ann" }}),
        ))
    });
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, if number == 7 { 500 } else { 201 }, "{number}");
    }
    assert_eq!(service.all().len(), SENDERS - 1);
}

#[test]
fn a_record_that_cannot_be_read_costs_its_neighbours_nothing() {
    let (database, service) = patient();
    for _ in 0..SENDERS {
        service.record(DEPLOYED);
    }
    database.sql("update records set recorded_at = 'infinity' where id = 7");
    let session = Session::open(&database.url());
    session.run("begin; lock table records in access exclusive mode");
    std::thread::scope(|scope| {
        let service = &service;
        let reads: Vec<_> =
            (1..=SENDERS).map(|id| scope.spawn(move || service.get(&format!("/api/{id}")).status)).collect();
        eventually("both readers wait", || {
            let waiting = "select from pg_locks where relation = 'records'::regclass and not granted";
            database.sql(waiting).len() == 2
        });
        drop(session);
        for (id, read) in (1..).zip(reads) {
            assert_eq!(read.join().unwrap(), if id == 7 { 500 } else { 200 }, "{id}");
        }
    });
}

/// Sends a change of the first record, which the session locks: it waits, and its component is its own meanwhile.
fn change_that_waits<'scope>(
    scope: &'scope Scope<'scope, '_>,
    database: &Database,
    service: &'scope Service,
    session: &Session,
) -> ScopedJoinHandle<'scope, Answer> {
    session.run("begin; select from records where id = 1 for update");
    let pid = session.rows("select pg_backend_pid()")[0].get(0).unwrap().to_owned();
    let change = scope.spawn(|| service.send("PATCH", "/api/1", r#"{"owner":"bob"}"#));
    eventually("the change has its component and waits", || {
        !database.sql(&format!("select from pg_stat_activity where {pid} = any (pg_blocking_pids(pid))")).is_empty()
    });
    change
}

#[test]
fn those_who_wait_for_a_change_of_their_component_share_a_statement_after_it() {
    let (database, service) = patient();
    service.record(DEPLOYED);
    let session = Session::open(&database.url());
    std::thread::scope(|scope| {
        let change = change_that_waits(scope, &database, &service, &session);
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(|| service.post(DEPLOYED))).collect();
        let waiting = format!("deploylog_queue_requests{{queue=\"write\"}} {SENDERS}\n");
        eventually("they wait for the change", || service.get("/metrics").body.contains(&waiting));
        // Another component's go on meanwhile.
        service.record(&deployed(&json!({"component": "api"})));
        session.run("commit");
        change.join().unwrap().expect(200);
        for sender in senders {
            sender.join().unwrap().expect(201);
        }
    });
    assert_eq!(database.sql(&format!("{STATEMENTS} where id > 1 and component = 'web'")), [["1"]]);
}

#[test]
fn a_change_that_takes_too_long_turns_away_those_who_wait_for_it_and_no_others() {
    let database = Database::new();
    let service = Service::set(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "0.5")]);
    service.record(DEPLOYED);
    let session = Session::open(&database.url());
    std::thread::scope(|scope| {
        let change = change_that_waits(scope, &database, &service, &session);
        assert_eq!(service.post(DEPLOYED).header("retry-after"), Some("1"));
        service.record(&deployed(&json!({"component": "api"})));
        session.run("commit");
        change.join().unwrap().expect(200);
    });
    service.record(DEPLOYED);
    assert_eq!(service.all().len(), 3);
}

#[test]
fn the_time_of_those_behind_others_begins_when_theirs_is_over() {
    let database = Database::new();
    let service = Service::set(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_STATEMENT_TIMEOUT", "3")]);
    let session = Session::open(&database.url());
    session.run("begin; lock table records in share mode");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| service.post(DEPLOYED));
        eventually("the first waits to be written", || {
            !database.sql("select from pg_locks where relation = 'records'::regclass and not granted").is_empty()
        });
        let others: Vec<_> = (0..SENDERS)
            .map(|number| {
                let record = deployed(&json!({"component": number.to_string()}));
                scope.spawn(|| service.post(&{ record }))
            })
            .collect();
        assert_eq!(first.join().unwrap().status, 503, "the database took too long over it");
        // Four seconds after all were sent.
        std::thread::sleep(Duration::from_millis(1_500));
        session.run("commit");
        for other in others {
            other.join().unwrap().expect(201);
        }
    });
    assert_eq!(service.all().len(), SENDERS, "what was refused is not there, and what was accepted is");
}
