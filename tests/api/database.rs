//! A database that starts late, stops, restarts, hangs or fails.

mod groups;
mod plans;
mod queue;
mod round_trips;
mod schema;

use std::{
    io::{BufRead as _, BufReader},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::harness::{
    DEPLOYED, Database, PrivateCluster, Service, Session, components_with_distinct_locks, eventually, signal, sql,
};

#[test]
fn a_service_that_starts_before_its_database_waits_for_it() {
    let mut cluster = PrivateCluster::start();
    cluster.stop();
    let mut child = Service::spawn(&[], &[("DATABASE_URL", &cluster.url())]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    cluster.restart();
    let line = lines.next().unwrap().unwrap();
    assert!(line.starts_with("ready on http://127.0.0.1:"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn requests_get_503_while_the_database_is_down_and_work_again_once_it_is_back() {
    let mut cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    let before = service.record(DEPLOYED);
    cluster.stop();
    for _ in 0..3 {
        let began = Instant::now();
        for response in [service.get("/api/1"), service.get("/api/"), service.post(DEPLOYED), service.get("/readyz")] {
            response.problem(503);
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        assert!(began.elapsed() < Duration::from_secs(8), "each takes at most the pool timeout of two seconds");
        assert_eq!(service.get("/livez").status, 200);
    }
    cluster.restart();
    eventually("the service is ready again", || service.get("/readyz").status == 200);
    assert_eq!(service.read(&before["id"]), before);
    service.record(DEPLOYED);
}

#[test]
fn a_database_restart_under_load_loses_no_acknowledged_record() {
    let mut cluster = PrivateCluster::start();
    let service = Arc::new(Service::with_environment(&[("DATABASE_URL", &cluster.url())]));
    let (acknowledged, is_over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (service, acknowledged, is_over) = (service.clone(), acknowledged.clone(), is_over.clone());
            std::thread::spawn(move || {
                for count in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let body = DEPLOYED.replace("web", &format!("web-{sender}")).replace("2.1", &count.to_string());
                    let response = service.post(&body);
                    match response.status {
                        201 => acknowledged.lock().unwrap().push(response.json()),
                        503 => {}
                        _ => panic!("{response:?}"),
                    }
                }
            })
        })
        .collect();
    for _ in 0..2 {
        let count = acknowledged.lock().unwrap().len();
        eventually("more records", || acknowledged.lock().unwrap().len() > count + 20);
        cluster.stop();
        cluster.restart();
    }
    let count = acknowledged.lock().unwrap().len();
    eventually("records after the last restart", || acknowledged.lock().unwrap().len() > count + 20);
    is_over.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.join().unwrap();
    }
    let all = service.all_records();
    for record in acknowledged.lock().unwrap().iter() {
        assert_eq!(all.iter().filter(|known| *known == record).count(), 1, "{record}");
    }
}

#[test]
fn connections_that_the_database_closed_are_replaced_without_a_failed_request() {
    let database = Database::new();
    let this_service = "application_name = 'of this test'";
    let service = Service::with_environment(&[(
        "DATABASE_URL",
        &format!("{} {}", database.url(), this_service.replace(" = ", "=")),
    )]);
    service.record(DEPLOYED);
    for _ in 0..5 {
        let ended =
            database.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {this_service}"));
        assert!(!ended.is_empty());
        assert_eq!(service.get("/api/1").status, 200);
        assert_eq!(service.get("/api/").status, 200);
    }
}

#[test]
fn a_statement_that_takes_too_long_gets_503_and_is_cancelled() {
    let database = Database::new();
    let url = database.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_STATEMENT_TIMEOUT", "0.3")]);
    service.record(DEPLOYED);
    let session = Session::open(&url);
    session.execute("begin; lock table records in access exclusive mode");
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            service.get("/api/").problem(503);
            assert!(began.elapsed() < Duration::from_secs(2), "a list takes no longer than the statement timeout");
        });
        for (method, path) in [("POST", "/api/"), ("GET", "/api/1"), ("PATCH", "/api/1"), ("DELETE", "/api/1")] {
            let service = &service;
            scope.spawn(move || service.send_json(method, path, DEPLOYED).problem(503));
        }
    });
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let waits = "select from pg_locks where relation = 'records'::regclass and not granted";
    eventually("all statements are cancelled", || database.sql(waits).is_empty());
    session.execute("rollback");
    service.record(DEPLOYED);
    assert_eq!(service.all_records().len(), 2);
}

#[test]
fn a_suspended_database_gets_503_and_is_used_again_once_it_continues() {
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let service = Service::with_environment(&[
        ("DATABASE_URL", &url),
        ("DEPLOYLOG_STATEMENT_TIMEOUT", "0.5"),
        ("DEPLOYLOG_POOL_TIMEOUT", "0.5"),
        ("DEPLOYLOG_CONNECT_TIMEOUT", "0.5"),
    ]);
    service.record(DEPLOYED);
    let backends: Vec<u32> = sql(&url, "select pid from pg_stat_activity where application_name = 'deploylog'")
        .iter()
        .map(|row| row[0].parse().unwrap())
        .chain([cluster.postmaster_pid()])
        .collect();
    for pid in &backends {
        signal(*pid, "STOP");
    }
    let began = Instant::now();
    service.post(DEPLOYED).problem(503);
    service.get("/readyz").problem(503);
    let waited = began.elapsed();
    for pid in &backends {
        signal(*pid, "CONT");
    }
    assert!(waited < Duration::from_secs(8), "{waited:?}");
    eventually("the service is ready again", || service.get("/readyz").status == 200);
    service.record(DEPLOYED);
}

#[test]
fn an_unexpected_database_error_gets_500_without_details_and_the_service_continues() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    database.sql("alter table records rename column owner to proprietor");
    let detail = service.get("/api/1").problem(500);
    assert!(!detail.contains("column") && !detail.contains("proprietor"), "{detail}");
    database.sql("alter table records rename column proprietor to owner");
    assert_eq!(service.get("/api/1").status, 200);
}

#[test]
fn a_change_that_waits_for_a_lock_does_not_delay_other_components() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    let components = components_with_distinct_locks(&database, 41);
    let session = Session::open(&database.url());
    session.execute("begin; select from records where id = 1 for update");
    std::thread::scope(|scope| {
        let change = scope.spawn(|| service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).status);
        eventually("the change waits", || session.is_blocking());
        for component in &components[1..] {
            let service = &service;
            scope.spawn(move || service.post(&DEPLOYED.replace("web", component)).expect(201));
        }
        eventually("the others are recorded", || database.sql("select count(*) from records") == [["41"]]);
        session.execute("rollback");
        assert_eq!(change.join().unwrap(), 200);
    });
}

#[test]
fn a_write_that_finds_the_disk_full_gets_503_with_the_cause() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let record = service.record(DEPLOYED);
    database.sql(
        "create function fill() returns trigger language plpgsql as
         $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
         create trigger fill before insert on records for each row execute function fill()",
    );
    for response in [service.post(DEPLOYED), service.import(DEPLOYED)] {
        assert_eq!(response.header("retry-after"), Some("30"));
        assert!(response.problem(503).contains("the disk of the database is full"), "{response:?}");
    }
    assert_eq!(service.read(&record["id"]), record);
    database.sql("drop trigger fill on records");
    service.record(DEPLOYED);
}
