//! `deploylog load` against a real service: its result matches the table.

use std::{
    io::Read as _,
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Database, PrivateCluster, Service, eventually, signal, sql};

/// Starts a run whose result is JSON.
fn start(service: &Service, flags: &str) -> Child {
    let url = format!("http://{}", service.address);
    let mut arguments = vec!["load", "--json", "--url", &url];
    arguments.extend(flags.split_whitespace());
    Service::spawn(&arguments, &[])
}

/// Waits for the end of a process. Returns its exit code, standard output and standard error.
fn finish(mut child: Child) -> (i32, String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code().unwrap(), out, err)
}

/// Waits for the end of a run. Returns its exit code and result.
#[track_caller]
fn result(child: Child) -> (i32, Value) {
    let (code, out, err) = finish(child);
    let result = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!(code == 0, err.is_empty(), "{err}");
    (code, result)
}

fn count(database: &Database, condition: &str) -> u64 {
    database.sql(&format!("select count(*) from records where {condition}"))[0][0].parse().unwrap()
}

#[track_caller]
fn assert_clean(result: &Value, acknowledged: u64) {
    assert_eq!(result["verify"], json!({"acknowledged": acknowledged, "lost": 0, "doubled": 0, "wrong": 0}));
    assert_eq!(result["errors"], json!({}));
}

#[test]
fn the_result_of_every_mix_matches_the_table() {
    for (mix, status) in [("record", "201"), ("lifecycle", "201"), ("read", "200")] {
        let database = Database::new();
        let service = Service::with_database(&database);
        let flags = format!("--mix {mix} --duration 0.7 --connections 8 --components 30 --verify");
        let (code, result) = result(start(&service, &flags));
        assert_eq!(code, 0, "{result}");
        let requests = result["requests"].as_u64().unwrap();
        assert_eq!(result["statuses"], json!({status: requests}), "{result}");
        assert!(result["per_second"].as_f64().unwrap() > 10.0, "{result}");
        let records = if mix == "read" { 1000 } else { requests };
        assert_clean(&result, records);
        assert_eq!(count(&database, "owner = 'load' and component like 'load-%'"), records);
        let finishes = if mix == "lifecycle" { count(&database, "status = 'deployed'") } else { 0 };
        assert_eq!(count(&database, "start_id is not null"), finishes);
        // The last deploy of each connection can lack its finish.
        assert!(count(&database, "status = 'started'").abs_diff(finishes) <= 8);
        let latency = |name: &str| result["latency_us"][name].as_f64().unwrap();
        let percentiles = ["p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"].map(latency);
        assert!(percentiles.is_sorted() && percentiles[0] > 0.0 && latency("mean") > 0.0, "{result}");
    }
}

#[test]
fn a_fixed_rate_is_kept_and_its_result_is_also_printed_as_text() {
    let service = Service::start();
    let (code, result) = result(start(&service, "--rate 150 --duration 1 --connections 4"));
    assert_eq!((code, &result["requests"], &result["rate"]), (0, &json!(150), &json!(150.0)));
    // The last request is due 1/150 s before the end.
    assert!(result["seconds"].as_f64().unwrap() > 0.98, "{result}");
    let url = format!("http://{}", service.address);
    let flags = ["load", "--url", &url, "--rate=50", "--duration=1", "--components=3", "--verify"];
    let (code, text, err) = finish(Service::spawn(&flags, &[]));
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    for expected in
        ["50 requests in", "201: 50", "99.99 %", "ms ", "####", "50 acknowledged: lost 0, doubled 0, wrong 0"]
    {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
}

/// Starts a service that can be restarted on its port: nothing else uses this address, so no connection takes the port.
fn on(database: &Database, address: &str) -> Service {
    Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_LISTEN", address)])
}

const ANY_PORT: &str = "127.77.0.1:0";

#[test]
fn a_service_that_is_killed_twice_loses_doubles_and_changes_no_record() {
    let database = Database::new();
    let mut service = on(&database, ANY_PORT);
    let address = service.address.to_string();
    let load = start(&service, "--mix lifecycle --duration 60 --connections 16 --components 20 --retry --verify");
    let mut before = 0;
    for _ in 0..2 {
        eventually("records", || count(&database, "true") > before + 200);
        service.signal("KILL");
        drop(service);
        before = count(&database, "true");
        service = on(&database, &address);
    }
    eventually("records", || count(&database, "true") > before + 200);
    signal(load.id(), "INT");
    let (code, result) = result(load);
    assert_eq!(code, 0, "{result}");
    assert!(result["retries"].as_u64().unwrap() > 0, "{result}");
    assert_clean(&result, count(&database, "true"));
    assert_eq!(count(&database, "status = 'deployed' and start_id is null"), 0);
}

#[test]
fn a_database_restart_and_a_killed_service_lose_double_and_change_no_record() {
    let mut cluster = PrivateCluster::start();
    let url = cluster.url();
    let at = |address: &str| Service::with_environment(&[("DATABASE_URL", &url), ("DEPLOYLOG_LISTEN", address)]);
    let count = || sql(&url, "select count(*) from records")[0][0].parse::<u64>().unwrap();
    let service = at(ANY_PORT);
    let address = service.address.to_string();
    let load = start(&service, "--mix lifecycle --duration 60 --connections 16 --components 20 --retry --verify");
    eventually("records", || count() > 200);
    cluster.stop();
    cluster.restart();
    let mut before = count();
    eventually("records after the restart", || count() > before + 200);
    service.signal("KILL");
    drop(service);
    before = count();
    let _service = at(&address);
    eventually("records after the kill", || count() > before + 200);
    signal(load.id(), "INT");
    let (code, result) = result(load);
    assert_eq!(code, 0, "{result}");
    assert_clean(&result, count());
}

#[test]
fn without_retry_a_killed_service_is_reported_and_the_run_continues() {
    let database = Database::new();
    let service = on(&database, ANY_PORT);
    let address = service.address.to_string();
    let load = start(&service, "--duration 60 --connections 4 --verify");
    eventually("records", || count(&database, "true") > 50);
    service.signal("KILL");
    drop(service);
    let _service = on(&database, &address);
    let before = count(&database, "true");
    eventually("records", || count(&database, "true") > before + 50);
    signal(load.id(), "INT");
    let (code, result) = result(load);
    assert_eq!(code, 1, "{result}");
    // Which of the two is counted depends on what the connections were doing.
    let errors = ["closed", "connect"].map(|kind| result["errors"][kind].as_u64().unwrap_or(0));
    assert!(errors.iter().sum::<u64>() > 0, "{result}");
    assert_eq!(result["verify"]["lost"], 0, "{result}");
}

#[test]
fn verification_waits_for_a_service_that_is_away_for_a_moment() {
    let database = Database::new();
    let service = on(&database, ANY_PORT);
    let address = service.address.to_string();
    let load = start(&service, "--duration 60 --connections 4 --verify");
    eventually("records", || count(&database, "true") > 50);
    service.signal("KILL");
    drop(service);
    signal(load.id(), "INT");
    let _service = on(&database, &address);
    let (_, result) = result(load);
    let verdict = &result["verify"];
    assert!(verdict["acknowledged"].as_u64().unwrap() > 40, "{result}");
    assert_eq!(["lost", "doubled", "wrong"].map(|found| verdict[found].as_u64()), [Some(0); 3], "{result}");
}

#[test]
fn verification_finds_lost_changed_and_doubled_records() {
    for mix in ["record", "lifecycle"] {
        let service = Service::start();
        let load = start(&service, &format!("--mix {mix} --duration 60 --connections 4 --components 5 --verify"));
        let finishes = || service.get("/api/?limit=1000&status=deployed").expect(200).as_array().unwrap().clone();
        eventually("records", || finishes().len() > 50);
        let records = finishes();
        for record in &records[..3] {
            service.request("DELETE", &format!("/api/{}", record["id"]), &[], None).expect(204);
        }
        let path = |index: usize| format!("/api/{}", records[index]["id"]);
        service.send_json("PATCH", &path(3), r#"{"version":"other"}"#).expect(200);
        service.send_json("PATCH", &path(4), r#"{"component":"elsewhere"}"#).expect(200);
        service.send_json("PATCH", &path(5), r#"{"status":"failed"}"#).expect(200);
        service.send_json("PATCH", &path(6), r#"{"run":"job#1"}"#).expect(200);
        for record in &records[7..9] {
            let again = json!({"component": record["component"], "version": record["version"], "owner": "load",
                "status": "deployed"});
            service.record(&again.to_string());
        }
        signal(load.id(), "INT");
        let (code, result) = result(load);
        assert_eq!(code, 1, "{result}");
        let counts = ["lost", "wrong", "doubled"].map(|found| result["verify"][found].as_u64().unwrap());
        assert_eq!(counts, [3, 4, 2], "{mix}: {result}");
    }
}

#[test]
fn a_pause_of_the_service_delays_every_request_that_is_due_in_it() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let load = start(&service, "--rate 200 --duration 3 --connections 8 --verify");
    eventually("records", || count(&database, "true") > 50);
    service.signal("STOP");
    let stopped = Instant::now();
    sleep(Duration::from_secs(1));
    service.signal("CONT");
    let pause = u64::try_from(stopped.elapsed().as_micros()).unwrap();
    let (code, result) = result(load);
    assert_eq!((code, &result["requests"]), (0, &json!(600)), "{result}");
    assert_clean(&result, 600);
    let latency = |name: &str| result["latency_us"][name].as_u64().unwrap();
    assert!(latency("max") > pause * 9 / 10, "{result}");
    // A third of the requests are due in the pause, but only eight are in flight.
    assert!(latency("p90") > pause / 2, "{result}");
    assert!(latency("p50") < pause / 2, "{result}");
}

#[test]
fn every_invalid_flag_is_reported_and_a_url_is_required() {
    let run = |flags: &str| {
        let mut arguments = vec!["load"];
        arguments.extend(flags.split_whitespace());
        finish(Service::spawn(&arguments, &[]))
    };
    let (code, out, err) = run("--rate 0 --mix all --connections none --duration x --colour=red --json=1 now");
    assert_eq!((code, out.as_str()), (64, ""));
    for named in ["--url", "--rate", "--mix", "--connections", "--duration", "--colour", "--json", "now"] {
        assert!(err.contains(named), "{named} is not in:\n{err}");
    }
    assert!(err.lines().all(|line| line.starts_with("deploylog: ")), "{err}");
    let (code, _, err) = run("--url https://127.0.0.1:5000");
    assert_eq!(code, 64);
    assert!(err.contains("https"), "{err}");
    let (code, _, err) = run("--url http://127.0.0.1:9");
    assert_eq!(code, 1);
    assert!(err.contains("http://127.0.0.1:9 cannot be reached"), "{err}");
}

#[test]
fn the_help_names_every_flag_and_exit_code() {
    let (code, help, _) = finish(Service::spawn(&["load", "--help"], &[]));
    assert_eq!(code, 0);
    for named in
        ["--url", "--connections", "--rate", "--duration", "--mix", "--components", "--keys", "--retry", "  64  "]
    {
        assert!(help.contains(named), "{named} is not in:\n{help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "the lines fit a terminal");
}
