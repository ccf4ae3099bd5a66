//! `GET /metrics`.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::harness::{DEPLOYED, Database, PrivateCluster, Service, deployed_with, eventually};

/// The header that Prometheus sends.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4";

#[track_caller]
fn metrics(service: &Service) -> String {
    let response = service.request("GET", "/metrics", &[("accept", ACCEPT)], None);
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    response.body
}

/// The value of a sample with this name and these labels.
fn value(metrics: &str, sample: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

#[test]
fn promtool_accepts_the_metrics() {
    let service = Service::start();
    service.record(&deployed_with(
        &json!({"component": "a\\b\"c", "environment": "<é>", "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:01:00.5Z"}),
    ));
    service.record(&deployed_with(&json!({"status": "started", "component": "api"})));
    service.post("{}");
    service.get("/nowhere");
    service.get("/metrics");
    let metrics = metrics(&service);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else {
        eprintln!("promtool is not installed: see tests/run");
        return;
    };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let report = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && report.is_empty(), "{report}\n{metrics}");
}

#[test]
fn requests_are_counted_by_route_and_status_with_a_latency_histogram() {
    let service = Service::start();
    service.record(DEPLOYED);
    service.record(DEPLOYED);
    service.post("{}");
    service.get("/api/1");
    service.request("HEAD", "/api/1", &[], None);
    service.get("/api/99");
    service.get("/nowhere");
    service.send_json("BREW", "/api/", "");
    let metrics = metrics(&service);
    for (labels, count) in [
        (r#"route="POST /api/",status="201""#, 2.0),
        (r#"route="POST /api/",status="400""#, 1.0),
        (r#"route="GET /api/{id}",status="200""#, 2.0),
        (r#"route="GET /api/{id}",status="404""#, 1.0),
        (r#"route="none",status="404""#, 1.0),
        (r#"route="none",status="501""#, 1.0),
    ] {
        assert_eq!(value(&metrics, &format!("deploylog_http_requests_total{{{labels}}}")), Some(count), "{labels}");
    }
    let post_histogram = |part: &str, labels: &str| {
        let sample = format!("deploylog_http_request_duration_seconds_{part}{{route=\"POST /api/\"{labels}}}");
        value(&metrics, &sample).unwrap_or_else(|| panic!("{sample}"))
    };
    assert_eq!((post_histogram("count", ""), post_histogram("bucket", ",le=\"+Inf\"")), (3.0, 3.0));
    assert!(post_histogram("bucket", ",le=\"0.001\"") <= post_histogram("bucket", ",le=\"5\""));
    assert!(post_histogram("sum", "") > 0.0);
}

#[test]
fn each_record_is_counted_once_by_phase() {
    let service = Service::start();
    let keyed = [("content-type", "application/json"), ("idempotency-key", "k")];
    assert_eq!(service.request("POST", "/api/", &keyed, Some(DEPLOYED)).status, 201);
    assert_eq!(service.request("POST", "/api/", &keyed, Some(DEPLOYED)).status, 200);
    let queued = deployed_with(&json!({"status": "queued"}));
    service.import(&[DEPLOYED, &queued, &queued].join("\n")).expect(201);
    service.import(&[DEPLOYED, "{}"].join("\n")).expect(400);
    let metrics = metrics(&service);
    let count = |phase| value(&metrics, &format!("deploylog_records_total{{phase=\"{phase}\"}}"));
    assert_eq!((count("succeeded"), count("noted"), count("failed")), (Some(2.0), Some(2.0), Some(0.0)));
}

#[test]
fn the_queue_and_the_pools_are_reported() {
    let service = Service::with_settings(&[("DEPLOYLOG_POOL_SIZE", "13")]);
    service.record(DEPLOYED);
    let idle = metrics(&service);
    assert_eq!(value(&idle, r#"deploylog_queue_requests{queue="write"}"#), Some(0.0));
    assert_eq!(value(&idle, r#"deploylog_pool_connections{pool="records",state="used"}"#), Some(1.0));
    for (pool, size) in [
        ("changes", 2.0),
        ("exports", 2.0),
        ("imports", 1.0),
        ("keys", 3.0),
        ("lists", 4.0),
        ("reports", 2.0),
        ("upkeep", 1.0),
    ] {
        assert_eq!(value(&idle, &format!("deploylog_pool_connections_max{{pool=\"{pool}\"}}")), Some(size), "{pool}");
    }
    assert_eq!(value(&idle, r#"deploylog_pool_waiting{pool="keys"}"#), Some(0.0));
}

#[test]
fn a_write_that_waits_for_the_database_is_counted_in_the_queue() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let lock = crate::harness::Session::open(&database.url());
    lock.execute("begin; lock table records in share mode");
    std::thread::scope(|scope| {
        let post = scope.spawn(|| service.post(DEPLOYED).status);
        let queued = r#"deploylog_queue_requests{queue="write"}"#;
        eventually("the write waits", || value(&metrics(&service), queued) == Some(1.0));
        let used = r#"deploylog_pool_connections{pool="records",state="used"}"#;
        eventually("the write has a connection", || value(&metrics(&service), used).is_some_and(|used| used >= 1.0));
        lock.execute("commit");
        assert_eq!(post.join().unwrap(), 201);
    });
}

#[test]
fn the_last_deploy_is_the_last_to_finish_not_the_last_recorded() {
    let service = Service::start();
    let record_web = |status: &str, started: Option<&str>, finished: &str, more: &str| {
        let mut fields = json!({"status": status, "finished_at": finished, "environment": "production"});
        if let Some(started) = started {
            fields["started_at"] = started.into();
        }
        if !more.is_empty() {
            fields[more] = more.into();
        }
        service.record(&deployed_with(&fields))
    };
    record_web("failed", Some("2026-03-02T10:00:00Z"), "2026-03-02T10:01:30.25Z", "");
    record_web("deployed", None, "2026-03-01T10:00:00Z", ""); // finished earlier, recorded later
    record_web("deployed", None, "2026-03-03T10:00:00Z", "stage"); // a stage, not a deploy
    service.record(&deployed_with(&json!({"component": "api", "finished_at": "2026-03-01T00:00:00Z"})));
    let metrics = metrics(&service);
    let labels = r#"{component="web",environment="production"}"#;
    let last_deploy = |name: &str, labels: &str| value(&metrics, &format!("deploylog_last_deploy_{name}{labels}"));
    assert_eq!(last_deploy("timestamp_seconds", labels), Some(1_772_445_690.25));
    assert_eq!(last_deploy("duration_seconds", labels), Some(90.25));
    assert_eq!(last_deploy("succeeded", labels), Some(0.0));
    let no_environment = r#"{component="api",environment=""}"#;
    assert_eq!(last_deploy("timestamp_seconds", no_environment), Some(1_772_323_200.0));
    assert_eq!(last_deploy("duration_seconds", no_environment), None);
    assert_eq!(last_deploy("succeeded", no_environment), Some(1.0));
}

#[test]
fn a_deploy_runs_until_it_finishes_or_a_newer_one_starts() {
    let service = Service::start();
    let running = || value(&metrics(&service), "deploylog_deploys_running");
    let record = |component: &str, status: &str| {
        service.record(&deployed_with(&json!({"component": component, "status": status})));
    };
    assert_eq!(running(), Some(0.0));
    record("web", "started");
    record("api", "started");
    record("api", "started");
    service.record(&deployed_with(&json!({"status": "started", "stage": "Build"})));
    assert_eq!(running(), Some(2.0));
    record("web", "failed");
    assert_eq!(running(), Some(1.0));
    service.record(&deployed_with(
        &json!({"component": "old", "status": "started", "started_at": "2026-01-01T00:00:00Z"}),
    ));
    assert_eq!(running(), Some(1.0), "a start older than a day does not count");
}

#[test]
fn last_deploy_metrics_are_limited_to_500_components_and_environments() {
    let database = Database::new();
    let service = Service::with_database(&database);
    assert_eq!(value(&metrics(&service), "deploylog_places_left_out"), Some(0.0));
    database.sql(
        "insert into records (component, version, owner, status, phase, finished_at, moment)
         select 'c' || n, '1', 'ann', 'deployed', 'succeeded', now(), now() from generate_series(1, 501) n",
    );
    let metrics = metrics(&service);
    assert_eq!(value(&metrics, "deploylog_places_left_out"), Some(1.0));
    let is_timestamp = |line: &&str| line.starts_with("deploylog_last_deploy_timestamp_seconds{");
    assert_eq!(metrics.lines().filter(is_timestamp).count(), 500);
}

#[test]
fn without_the_database_the_service_still_reports_its_own_metrics() {
    let mut cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    service.record(DEPLOYED);
    assert_eq!(value(&metrics(&service), "deploylog_database_up"), Some(1.0));
    cluster.stop();
    let metrics = metrics(&service);
    assert_eq!(value(&metrics, "deploylog_database_up"), Some(0.0));
    assert_eq!(value(&metrics, r#"deploylog_records_total{phase="succeeded"}"#), Some(1.0));
    assert!(!metrics.contains("last_deploy"));
}

#[test]
fn metrics_are_plain_text_and_accept_no_parameters() {
    let service = Service::start();
    assert_eq!(service.get("/metrics?format=json").bad_fields(400), ["format"]);
    assert_eq!(service.request("GET", "/metrics", &[("accept", "application/json")], None).status, 406);
    assert_eq!(service.request("HEAD", "/metrics", &[], None).status, 200);
    assert_eq!(service.send_json("POST", "/metrics", "").header("allow"), Some("GET, HEAD, OPTIONS"));
}
