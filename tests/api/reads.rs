//! Reads are bounded: in rows, in memory, in time and in queries. A table lock stands for a query that takes long.

use std::{
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Connection, DEPLOYED, Database, PausedProcess, Service, Session, eventually, sql};

const LOCK: &str = "begin; lock table records in access exclusive mode";

/// The queries of the service that the database is executing.
fn executing(database: &Database) -> usize {
    let waits = "select from pg_locks where relation = 'records'::regclass and not granted";
    database.sql(waits).len()
}

fn memory_kib(service: &Service, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn get(service: &Service, target: &str) -> Connection {
    let mut connection = service.connect();
    connection.send(format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n"));
    connection
}

/// A record of 18 KB: the longest texts, of characters with four bytes.
fn large_record(owner: &str, others: &Value) -> String {
    let text = |length| "\u{1F680}".repeat(length);
    let mut record = json!({
        "component": "w".repeat(200), "version": text(200), "owner": owner, "status": format!("queued{}", text(190)),
        "environment": text(200), "run": text(1000), "stage": text(1000),
        "url": format!("https://example.org/{}", text(1900)),
    });
    record.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    record.to_string()
}

#[test]
fn the_queries_of_clients_that_leave_are_cancelled() {
    let database = Database::new();
    // No deadline ends these queries in the time of the test, and the lists of a thousand clients do not wait in vain.
    let service = Service::with_settings(&[
        ("DATABASE_URL", &database.url()),
        ("DEPLOYLOG_STATEMENT_TIMEOUT", "60"),
        ("DEPLOYLOG_POOL_TIMEOUT", "60"),
    ]);
    service.record(DEPLOYED);
    let session = Session::open(&database.url());
    session.execute(LOCK);
    let stays = get(&service, "/api/durations?component=stays");
    eventually("its query waits", || executing(&database) == 1);
    for number in 0..1000 {
        let call = ["durations?component=", "dora?component="][number % 2];
        drop(get(&service, &format!("/api/{call}a{number}")));
    }
    let leaves = get(&service, "/api/durations?component=leaves");
    eventually("another query waits", || executing(&database) == 2);
    drop(leaves);
    eventually("all queries but one are cancelled", || {
        let requests = service.get("/metrics").body;
        executing(&database) == 1 && requests.contains("deploylog_pool_waiting{pool=\"reports\"} 0\n")
    });
    session.execute("rollback");
    let mut stays = stays;
    assert_eq!(stays.response().status, 200);
    service.get("/api/dora").expect(200);
}

#[test]
fn a_client_that_closes_only_its_sending_side_receives_its_answer() {
    let service = Service::start();
    service.record(DEPLOYED);
    let mut connection = get(&service, "/api/");
    connection.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(connection.response().status, 200);
}

#[test]
fn a_list_that_takes_too_long_names_its_filters() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let session = Session::open(&database.url());
    session.execute(LOCK);
    for (target, named) in [
        ("/api/?owner=ann&stage=Build", "owner and stage"),
        ("/api/deploys?environment=typo", "environment"),
        ("/api/durations", "a shorter time"),
    ] {
        let began = Instant::now();
        let response = service.get(target);
        assert_eq!(response.header("retry-after"), Some("60"), "{response:?}");
        let detail = response.problem(503);
        assert!(detail.contains(named), "{detail}");
        assert!(began.elapsed() < Duration::from_millis(5300), "{target} took {:?}", began.elapsed());
    }
    eventually("the queries are cancelled", || executing(&database) == 0);
}

#[test]
fn slow_lists_reports_and_exports_do_not_delay_other_reads_and_writes() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    // Only queries of `open_starts` wait for this lock.
    let session = Session::open(&database.url());
    session.execute("begin; lock table open_starts in access exclusive mode");
    let slow: Vec<_> = (0..3).map(|number| get(&service, &format!("/api/deploys?owner=a{number}"))).collect();
    let waits = "select from pg_locks where relation = 'open_starts'::regclass and not granted";
    eventually("three lists are slow", || database.sql(waits).len() == 3);
    for target in ["/api/", "/api/?component=web", "/api/1", "/api/current", "/api/durations", "/api/dora"] {
        let began = Instant::now();
        service.get(target).expect(200);
        assert!(began.elapsed() < Duration::from_millis(300), "{target} took {:?}", began.elapsed());
    }
    drop(slow);
}

#[test]
fn identical_queries_that_wait_run_once_and_see_every_acknowledged_record() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let session = Session::open(&database.url());
    session.execute(LOCK);
    let first = get(&service, "/api/?limit=7");
    eventually("the first query waits", || executing(&database) == 1);
    let others: Vec<_> = (0..20).map(|_| get(&service, "/api/?limit=7")).collect();
    // If they did not share a query, they would use all connections of lists, and this one would not be sent.
    let another = get(&service, "/api/deploys?limit=7");
    eventually("another query waits", || executing(&database) == 2);
    session.execute("rollback");
    for mut connection in [first, another].into_iter().chain(others) {
        assert_eq!(connection.response().status, 200);
    }
    // A list that joined a query from before the record would miss it.
    for number in 1..=50 {
        thread::scope(|scope| {
            let busy: Vec<_> = (0..4).map(|_| scope.spawn(|| service.get("/api/?limit=100").expect(200))).collect();
            service.record(DEPLOYED);
            assert_eq!(service.get("/api/?limit=100").expect(200).as_array().unwrap().len(), number);
            for list in busy {
                list.join().unwrap();
            }
        });
    }
}

#[test]
fn suspended_backends_delay_an_answer_no_longer_than_its_deadline() {
    let database = crate::harness::PrivateCluster::start();
    let url = database.url();
    let service = Service::with_environment(&[("DATABASE_URL", &url)]);
    service.record(DEPLOYED);
    service.get("/api/").expect(200);
    let backends = sql(&url, "select pid from pg_stat_activity where application_name = 'deploylog'");
    let paused: Vec<_> = backends.iter().map(|row| PausedProcess::new(row[0].parse().unwrap())).collect();
    thread::scope(|scope| {
        for target in ["/api/1", "/api/", "/api/deploys", "/api/current"].iter().cycle().take(24) {
            let service = &service;
            scope.spawn(move || {
                let began = Instant::now();
                let status = service.get(target).status;
                assert!(matches!(status, 200 | 503), "{status}");
                assert!(began.elapsed() < Duration::from_millis(3500), "{target} took {:?}", began.elapsed());
            });
        }
    });
    drop(paused);
    eventually("reads work again", || service.get("/api/1").status == 200);
}

#[test]
fn a_page_of_large_records_is_complete_and_takes_little_memory() {
    let database = Database::new();
    let importer = Service::with_database(&database);
    for _ in 0..3 {
        let lines: Vec<_> = (0..350).map(|number| large_record(&format!("owner-{number}"), &json!({}))).collect();
        importer.import(&lines.join("\n")).expect(201);
    }
    let service = Service::with_database(&database);
    let large = service.get("/api/?limit=1").expect(200);
    assert!(large.to_string().len() > 18_000, "{}", large.to_string().len());
    let before = memory_kib(&service, "VmHWM:");
    let page = service.get("/api/?limit=1000");
    let records = page.json();
    let ids: Vec<_> = records.as_array().unwrap().iter().map(|record| record["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (51..=1050).rev().collect::<Vec<_>>());
    let rest = service.get(page.next_page().unwrap()).json();
    assert_eq!(rest.as_array().unwrap().len(), 50);
    let grown = memory_kib(&service, "VmHWM:") - before;
    assert!(grown < 8 << 10, "memory grew by {grown} KiB");
}

#[test]
fn a_run_with_many_stages_that_many_deploys_share_is_read_once_and_cut() {
    let database = Database::new();
    let importer = Service::with_database(&database);
    let large = json!({ "status": "deployed", "environment": null });
    let stages: Vec<_> = (0..1100)
        .map(|number| {
            let stage =
                json!({ "status": "deployed", "environment": null, "stage": format!("{number}{}", "s".repeat(990)) });
            large_record("ann", &stage)
        })
        .collect();
    for part in stages.chunks(350) {
        importer.import(&part.join("\n")).expect(201);
    }
    let mut deploy = large;
    deploy["stage"] = Value::Null;
    for number in 0..12 {
        deploy["environment"] = json!(format!("environment {number}"));
        importer.record(&large_record("ann", &deploy));
    }
    importer.record(r#"{"component":"no run","version":"1","owner":"ann","status":"deployed"}"#);
    let service = Service::with_database(&database);
    service.get("/api/deploys?limit=1").expect(200);
    let before = memory_kib(&service, "VmHWM:");
    let deploys = service.get("/api/deploys?stages=true").expect(200);
    let grown = memory_kib(&service, "VmHWM:") - before;
    let found: Vec<_> = deploys
        .as_array()
        .unwrap()
        .iter()
        .map(|deploy| (deploy["stages"].as_array().unwrap().len(), deploy.get("stages_omitted").is_some()))
        .collect();
    let mut expected = vec![(0, false)];
    expected.extend([(1000, true); 10]);
    expected.extend([(0, true); 2]);
    assert_eq!(found, expected);
    assert!(grown < 12 << 10, "memory grew by {grown} KiB");
    let first = &deploys[1]["stages"][0]["stage"];
    assert!(first.as_str().unwrap().starts_with("100s"), "the last 1,000 stages, ordered by their start: {first}");
}
