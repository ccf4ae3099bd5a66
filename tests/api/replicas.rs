//! One and two processes that write the records of one deploy concurrently.

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Database, PrivateCluster, Service, eventually, signal, sql};

/// The moments of one deploy, each a start or a finish, in pseudo-random order.
fn moments(count: u64, seed: u64) -> Vec<(u64, bool)> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut moments: Vec<(u64, bool)> = (0..count).map(|second| (second, next() % 2 == 0)).collect();
    for index in (1..moments.len()).rev() {
        let other = usize::try_from(next()).unwrap() % (index + 1);
        moments.swap(index, other);
    }
    moments
}

fn record(component: &str, second: u64, starts: bool) -> String {
    let time = format!("2026-01-01T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    let (status, field) = if starts { ("started", "started_at") } else { ("deployed", "finished_at") };
    json!({"component": component, "version": "1", "owner": "ann", "status": status, field: time}).to_string()
}

/// Whether the pairing follows rule 2: a finish is paired exactly if the record a second before it is a start.
fn is_paired(all: &[Value], component: &str) -> bool {
    let records: Vec<&Value> = all.iter().filter(|record| record["component"] == component).collect();
    let moment = |record: &Value| {
        let field = if record["status"] == "started" { "started_at" } else { "finished_at" };
        record[field].as_str().unwrap().to_owned()
    };
    let mut in_order = records.clone();
    in_order.sort_by_key(|record| moment(record));
    in_order.windows(2).all(|pair| match (pair[0]["status"].as_str(), pair[1]["status"].as_str()) {
        (_, Some("started")) => true,
        (Some("started"), _) => pair[1]["start_id"] == pair[0]["id"] && pair[1]["duration_seconds"] == 1.0,
        _ => pair[1]["start_id"].is_null() && pair[1]["duration_missing"] == "no start record",
    })
}

/// Checks that each finish is paired with the record just before it if that is a start. The records have no own start
/// time on a finish, no run, no environment and no stage.
#[track_caller]
pub fn assert_paired(all: &[Value]) {
    let starts = |record: &Value| record["phase"] == "started";
    let moment = |record: &Value| record[if starts(record) { "started_at" } else { "finished_at" }].to_string();
    let deploy = |record: &Value| (record["component"].to_string(), record["version"].to_string());
    let mut sorted: Vec<&Value> = all.iter().filter(|record| record["phase"] != "noted").collect();
    sorted.sort_by_key(|record| (deploy(record), moment(record), record["id"].as_i64()));
    for (before, record) in std::iter::once(None).chain(sorted.iter().map(Some)).zip(&sorted) {
        let start = before.filter(|before| deploy(before) == deploy(record) && starts(before) && !starts(record));
        assert_eq!(record.get("start_id"), start.map(|start| &start["id"]), "{record} of {sorted:#?}");
    }
}

/// Sends the records of one deploy from eight concurrent senders, distributed over the services.
fn send_deploy_concurrently(services: &[&Service], component: &str, seed: u64) {
    std::thread::scope(|scope| {
        for (sender, share) in moments(240, seed).chunks(30).map(<[_]>::to_vec).enumerate() {
            let service = services[sender % services.len()];
            scope.spawn(move || {
                let mut connection = service.connect();
                for (second, starts) in share {
                    let body = record(component, second, starts);
                    let headers = [("content-type", "application/json")];
                    connection.request("POST", "/api/", &headers, Some(body.as_bytes())).expect(201);
                }
            });
        }
    });
}

#[test]
fn records_sent_concurrently_to_one_process_are_paired_by_the_rules() {
    let service = Service::start();
    for round in 0..3 {
        let component = format!("web-{round}");
        send_deploy_concurrently(&[&service], &component, round + 1);
        assert!(is_paired(&service.all_records(), &component));
    }
}

#[test]
fn records_sent_concurrently_to_two_processes_are_paired_by_the_rules() {
    let database = Database::new();
    let replicas = [Service::with_database(&database), Service::with_database(&database)];
    for round in 0..3 {
        let component = format!("web-{round}");
        send_deploy_concurrently(&[&replicas[0], &replicas[1]], &component, round + 1);
        assert!(is_paired(&replicas[0].all_records(), &component), "as soon as the last is acknowledged");
    }
}

#[test]
fn concurrent_changes_and_deletions_through_two_processes_are_paired_by_the_rules() {
    let database = Database::new();
    let replicas = [Service::with_database(&database), Service::with_database(&database)];
    let lines: Vec<String> = (0..200).map(|second| record("web", second, second % 3 == 0)).collect();
    let ids = replicas[0].import(&lines.join("\n")).expect(201)["ids"].clone();
    std::thread::scope(|scope| {
        for sender in 0..8_usize {
            let (service, ids) = (&replicas[sender % 2], &ids);
            scope.spawn(move || {
                for id in ids.as_array().unwrap().iter().skip(sender).step_by(8) {
                    let path = format!("/api/{id}");
                    match id.as_u64().unwrap() % 5 {
                        0 => assert_eq!(service.request("DELETE", &path, &[], None).status, 204),
                        1 => drop(service.send_json("PATCH", &path, r#"{"status":"started"}"#).expect(200)),
                        2 => drop(service.send_json("PATCH", &path, r#"{"status":"queued"}"#).expect(200)),
                        3 => drop(service.send_json("PATCH", &path, r#"{"version":"2"}"#).expect(200)),
                        _ => {}
                    }
                }
            });
        }
    });
    assert_paired(&replicas[1].all_records());
}

#[test]
fn a_key_delivered_to_two_processes_at_once_is_one_record() {
    let database = Database::new();
    let replicas = [Service::with_database(&database), Service::with_database(&database)];
    for key in 0..20 {
        let key = key.to_string();
        let ids: Vec<Value> = std::thread::scope(|scope| {
            let deliveries: Vec<_> = (0..4)
                .map(|sender| {
                    let (service, key) = (&replicas[sender % 2], &key);
                    scope.spawn(move || {
                        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
                        let response = service.request("POST", "/api/", &headers, Some(DEPLOYED));
                        assert!(matches!(response.status, 200 | 201), "{response:?}");
                        response.json()["id"].clone()
                    })
                })
                .collect();
            deliveries.into_iter().map(|delivery| delivery.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
    assert_eq!(replicas[0].all_records().len(), 20);
}

#[test]
fn a_process_has_a_heartbeat_until_it_stops() {
    let database = Database::new();
    let heartbeats = || database.sql("select process from heartbeats order by process");
    let mut first = Service::with_database(&database);
    let of_first = heartbeats();
    assert_eq!(of_first.len(), 1);
    let mut second = Service::with_database(&database);
    assert_eq!(heartbeats().len(), 2);
    assert!(second.stop().success());
    assert_eq!(heartbeats(), of_first);
    // As another process does if it has not seen this one for a while.
    database.sql("delete from heartbeats");
    eventually("the heartbeat is back", || heartbeats() == of_first);
    assert!(first.stop().success());
    assert!(heartbeats().is_empty());
}

#[test]
fn the_heartbeat_of_a_killed_process_is_deleted_after_a_minute() {
    let database = Database::new();
    let survivor = Service::with_database(&database);
    let killed = Service::with_database(&database);
    let start = killed.record(&record("web", 1, true));
    drop(killed);
    let finish = survivor.record(&record("web", 2, false));
    assert_eq!(finish["start_id"], start["id"]);
    let heartbeats = || database.sql("select seen_at > now() - interval '1 minute' from heartbeats");
    assert_eq!(heartbeats(), [["t"], ["t"]]);
    database.sql("update heartbeats set seen_at = now() - interval '61 seconds'");
    eventually("the heartbeat is deleted", || heartbeats() == [["t"]]);
}

#[test]
fn a_write_that_executes_after_its_timeout_is_paired_when_it_executes() {
    let cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    let writes = "select pid from pg_stat_activity where query like '%write_records(%' and pid <> pg_backend_pid()";
    let pid = sql(&cluster.url(), writes)[0][0].parse().unwrap();
    signal(pid, "STOP");
    service.post(&record("api", 2, false)).problem(503);
    let start = service.record(&record("api", 1, true));
    signal(pid, "CONT");
    eventually("the write executes", || service.all_records().len() == 3);
    assert!(is_paired(&service.all_records(), "api"));
    assert_eq!(service.all_records()[2]["start_id"], start["id"]);
}
