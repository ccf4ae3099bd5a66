//! Imports run one at a time, so that other writes reach the components in between.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::deployed_of;
use crate::harness::{Database, PrivateCluster, Service, Session, count_lock_waits, deployed_with, eventually, sql};

const COMPONENTS: usize = 200;

/// A body with starts and finishes of every component.
fn body(importer: usize, lines: usize) -> String {
    let line = |number: usize| {
        let status = ["started", "deployed"][number / COMPONENTS % 2];
        let run = format!("{importer}-{}", number / COMPONENTS / 2);
        deployed_with(&json!({"component": format!("service-{}", number % COMPONENTS), "run": run, "status": status}))
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}

/// A short form of `tests/load/imports`, suited to a debug build.
#[test]
fn posts_continue_while_ten_clients_import_into_every_component() {
    const IMPORTERS: usize = 10;
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let services = [(); 2].map(|()| Service::with_environment(&[("DATABASE_URL", &url)]));
    let importing = AtomicUsize::new(IMPORTERS);
    let times = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let (services, importing, times) = (&services, &importing, &times);
        for importer in 0..IMPORTERS {
            scope.spawn(move || {
                for round in 0..3 {
                    services[importer % 2].import(&body(10 * importer + round, 2 * COMPONENTS)).expect(201);
                }
                importing.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for sender in 0..4 {
            scope.spawn(move || {
                for number in 0.. {
                    let began = Instant::now();
                    services[sender % 2]
                        .record(&deployed_of(&format!("service-{}", (50 * sender + number) % COMPONENTS)));
                    times.lock().unwrap().push(began.elapsed());
                    if importing.load(Ordering::Relaxed) == 0 {
                        return;
                    }
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 < Duration::from_secs(1), "{p99:?}, {times:?}");
    let all = services[0].all_records();
    assert_eq!(all.len(), IMPORTERS * 3 * 2 * COMPONENTS + times.len());
    let finishes = all.iter().filter(|record| record["run"].is_string() && record["status"] == "deployed");
    assert!(finishes.clone().all(|finish| finish["start_id"].is_number()) && finishes.count() > 0);
    drop(services);
    let backends = "select from pg_stat_activity where application_name = 'deploylog'";
    eventually("the backends have ended", || sql(&url, backends).is_empty());
    assert_eq!(sql(&url, "select sum(deadlocks) from pg_stat_database"), [["0"]]);
}

#[test]
fn imports_queue_beyond_the_pool_timeout_while_changes_continue() {
    let database = Database::new();
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_POOL_TIMEOUT", "0.2")]);
    let id = service.record(&deployed_of("api"))["id"].clone();
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    std::thread::scope(|scope| {
        let imports: Vec<_> = (0..10).map(|_| scope.spawn(|| service.import(&deployed_of("web")).status)).collect();
        let waiting = "deploylog_pool_waiting{pool=\"imports\"} 9\n";
        eventually("nine wait for the first", || service.get("/metrics").body.contains(waiting));
        let began = Instant::now();
        for number in 0.. {
            let change = json!({ "owner": number.to_string() }).to_string();
            service.send_json("PATCH", &format!("/api/{id}"), &change).expect(200);
            if began.elapsed() > Duration::from_millis(500) {
                break;
            }
        }
        session.execute("commit");
        assert!(imports.into_iter().all(|import| import.join().unwrap() == 201));
    });
}

#[test]
fn a_queued_import_holds_no_component_lock() {
    let database = Database::new();
    let services = [Service::with_database(&database), Service::with_database(&database)];
    let session = Session::open(&database.url());
    session.lock_components(&["web"]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| services[0].import(&deployed_of("web")).status);
        eventually("the first waits for its component", || count_lock_waits(&database.url()) == 1);
        let second = scope.spawn(|| services[1].import(&deployed_of("api")).status);
        eventually("the second waits for the first", || count_lock_waits(&database.url()) == 2);
        services[1].record(&deployed_of("api"));
        session.execute("commit");
        assert_eq!([first.join().unwrap(), second.join().unwrap()], [201, 201]);
    });
}
