//! Writes lock their components before they read: ordering, deadlocks, and the effect on other requests.

mod imports;
mod isolation;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    harness::{
        Database, PrivateCluster, Service, Session, Subscriber, components_with_distinct_locks, count_lock_waits,
        deployed_with, eventually, sql,
    },
    replicas::assert_paired,
};

fn deployed_of(component: &str) -> String {
    deployed_with(&json!({ "component": component }))
}

#[test]
fn a_write_that_waits_for_a_component_lock_delays_no_event_of_another_component() {
    // A private cluster, because transactions of other tests delay events.
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let [blocked, free] = [(); 2].map(|()| Service::with_environment(&[("DATABASE_URL", &url)]));
    let id = blocked.record(&deployed_of("web"))["id"].clone();
    let mut subscriber = Subscriber::start(&free, "/api/events");
    let session = Session::open(&url);
    session.lock_components(&["web"]);
    std::thread::scope(|scope| {
        let import = scope.spawn(|| blocked.import(&deployed_of("web")).status);
        let patch = scope.spawn(|| blocked.send_json("PATCH", &format!("/api/{id}"), r#"{"owner":"bob"}"#).status);
        let post = scope.spawn(|| blocked.post(&deployed_of("web")).status);
        eventually("all three wait", || count_lock_waits(&url) == 3);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            let sent = Instant::now();
            let record = free.record(&deployed_of("api"));
            assert_eq!(subscriber.next().data, record);
            assert!(sent.elapsed() < Duration::from_secs(1), "{:?}", sent.elapsed());
        }
        session.execute("commit");
        assert_eq!([import.join().unwrap(), patch.join().unwrap(), post.join().unwrap()], [201, 200, 201]);
    });
    let events = subscriber.take(3);
    assert!(events.iter().all(|event| event.data["component"] == "web"), "{events:?}");
}

#[test]
fn an_import_takes_its_locks_in_ascending_order() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let session = Session::open(&database.url());
    let held_locks = |by: &str| {
        let locks = "select objid from pg_locks where locktype = 'advisory' and classid = 'records'::regclass::oid
            and granted and objid < 256 and pid";
        let rows = session.query(&format!("{locks} {by} pg_backend_pid()"));
        rows.iter().map(|row| row.get(0).unwrap().parse().unwrap()).collect::<Vec<u32>>()
    };
    let mut components: Vec<_> = components_with_distinct_locks(&database, 2)
        .into_iter()
        .map(|component| {
            session.lock_components(&[&component]);
            let slot = held_locks("=")[0];
            session.execute("commit");
            (slot, component)
        })
        .collect();
    components.sort();
    let [(lower_slot, lower), (_, higher)] = &components[..] else { panic!("two components expected") };
    let body = [deployed_of(higher), deployed_of(lower)].join("\n");
    std::thread::scope(|scope| {
        session.lock_components(&[lower]);
        let import = scope.spawn(|| service.import(&body).status);
        eventually("the import waits for the lower lock", || count_lock_waits(&database.url()) == 1);
        assert_eq!(held_locks("<>"), [0; 0], "it does not hold the higher lock");
        session.execute("commit");
        assert_eq!(import.join().unwrap(), 201);
        session.lock_components(&[higher]);
        let import = scope.spawn(|| service.import(&body).status);
        eventually("the import waits for the higher lock", || count_lock_waits(&database.url()) == 1);
        assert_eq!(held_locks("<>"), [*lower_slot], "it holds the lower lock");
        session.execute("commit");
        assert_eq!(import.join().unwrap(), 201);
    });
}

/// A start in each even second, a finish in each odd one.
fn record_at(component: &str, second: usize) -> String {
    let (status, field) =
        if second.is_multiple_of(2) { ("started", "started_at") } else { ("deployed", "finished_at") };
    let time = format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
    deployed_with(&json!({"component": component, "status": status, field: time}))
}

#[test]
fn two_processes_that_write_two_components_in_opposite_order_pair_correctly_without_deadlocks() {
    const ROUNDS: usize = 60;
    // A private cluster, because the test counts its deadlocks.
    let cluster = PrivateCluster::start();
    let url = cluster.url();
    let services = [(); 2].map(|()| Service::with_environment(&[("DATABASE_URL", &url)]));
    let seconds =
        |from: usize| (from..from + ROUNDS).map(|second| record_at("web", second)).collect::<Vec<_>>().join("\n");
    let ids = services[0].import(&seconds(0)).expect(201)["ids"].clone();
    let ids = ids.as_array().unwrap();
    std::thread::scope(|scope| {
        for (number, service) in services.iter().enumerate() {
            let components = if number == 0 { ["web", "api"] } else { ["api", "web"] };
            // Single records of both components, which share statements in either order.
            for component in components {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        service.record(&record_at(component, 600 + 2 * round + number));
                    }
                });
            }
            scope.spawn(move || {
                for round in 0..ROUNDS / 6 {
                    let body = components.map(|component| record_at(component, 1200 + 2 * round + number)).join("\n");
                    service.import(&body).expect(201);
                }
            });
            // Half of the records move to the other component, the others move there and back.
            scope.spawn(move || {
                for (index, id) in ids.iter().enumerate().filter(|(index, _)| index % 2 == number) {
                    for component in if index % 4 < 2 { &["api", "web"][..] } else { &["api"] } {
                        let change = json!({ "component": component }).to_string();
                        service.send_json("PATCH", &format!("/api/{id}"), &change).expect(200);
                    }
                }
            });
        }
    });
    let all = services[1].all_records();
    assert_eq!(all.len(), ROUNDS + 4 * ROUNDS + 4 * (ROUNDS / 6));
    assert_paired(&all);
    for mut service in services {
        assert!(service.stop().success());
    }
    // A backend reports its statistics at the latest when it ends.
    let backends = "select from pg_stat_activity where application_name = 'deploylog'";
    eventually("the backends have ended", || sql(&url, backends).is_empty());
    assert_eq!(sql(&url, "select sum(deadlocks) from pg_stat_database"), [["0"]]);
}

#[test]
fn timestamps_of_a_component_follow_its_ids_across_two_processes() {
    let database = Database::new();
    let services = [Service::with_database(&database), Service::with_database(&database)];
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let service = &services[sender % 2];
            scope.spawn(move || {
                let mut connection = service.connect();
                for _ in 0..30 {
                    let headers = [("content-type", "application/json")];
                    let component = if sender < 6 { "web" } else { "api" };
                    connection.request("POST", "/api/", &headers, Some(deployed_of(component).as_bytes())).expect(201);
                }
            });
        }
        for number in 0..10 {
            services[number % 2]
                .import(&[deployed_of("api"), deployed_of("web"), deployed_of("web")].join("\n"))
                .expect(201);
        }
    });
    let out_of_order = "select from (
        select recorded_at < lag(recorded_at) over in_order or finished_at < lag(finished_at) over in_order as is_earlier
        from records window in_order as (partition by component order by id)) r where is_earlier";
    assert!(database.sql(out_of_order).is_empty());
    assert_eq!(services[0].all_records().len(), 8 * 30 + 10 * 3);
}

#[test]
fn a_write_that_waited_for_a_component_lock_is_timestamped_after_the_wait() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let id = service.record(&deployed_of("api"))["id"].clone();
    let session = Session::open(&database.url());
    session.lock_components(&["web", "api"]);
    let (unlocked_at, written): (String, Vec<Value>) = std::thread::scope(|scope| {
        let post = scope.spawn(|| service.record(&deployed_of("web")));
        let import = scope.spawn(|| service.import(&deployed_of("web")).expect(201)["ids"][0].clone());
        let patch = scope.spawn(|| service.send_json("PATCH", &format!("/api/{id}"), r#"{"owner":"bob"}"#).expect(200));
        eventually("all three wait", || count_lock_waits(&database.url()) == 3);
        let clock = r#"select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
        let unlocked_at = session.query(clock)[0].get(0).unwrap().to_owned();
        session.execute("commit");
        (unlocked_at, vec![post.join().unwrap(), service.read(&import.join().unwrap()), patch.join().unwrap()])
    });
    for record in &written[..2] {
        assert!(record["recorded_at"].as_str().unwrap() > unlocked_at.as_str(), "{record} {unlocked_at}");
        assert_eq!(record["finished_at"], record["recorded_at"]);
    }
    assert!(written[2]["updated_at"].as_str().unwrap() > unlocked_at.as_str(), "{written:?} {unlocked_at}");
}
