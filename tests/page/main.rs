//! Tests of the web page in a real browser against a real service. They are a test binary of their own because cargo runs
//! binaries one after the other, and a busy browser would disturb the tests that measure time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../api"]
mod api {
    #[allow(dead_code, unused_imports, reason = "shared with the API tests, which use all of it")]
    pub mod harness;
}

mod accessibility;
mod browser;
mod escaping;
mod hosts;
mod http;
mod live;
mod proxy;
mod sample_data;
mod screenshots;
mod token;
mod views;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use api::harness::{self, Service, percent_encode};

fn page_url(service: &Service) -> String {
    format!("http://{}/", service.address)
}

/// A time in the past, in the format of the service.
fn seconds_ago(seconds: i64) -> String {
    rfc3339(Utc::now() - TimeDelta::seconds(seconds))
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A record of a component in production, with further fields.
fn record(component: &str, more: &Value) -> Value {
    let mut record = json!({"component": component, "version": "2.1", "owner": "ann", "environment": "production"});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

fn ndjson(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// A run with parallel branches, a retried stage, a failed stage, a running stage and a stage without a start.
fn sample_run(component: &str) -> Vec<Value> {
    let stage = |name: &str, status: &str, from: Option<i64>, until: Option<i64>| {
        let mut record = record(component, &json!({"run": "folder/web#42", "stage": name, "status": status}));
        if let Some(from) = from {
            record["started_at"] = seconds_ago(from).into();
        }
        if let Some(until) = until {
            record["finished_at"] = seconds_ago(until).into();
        }
        record
    };
    vec![
        record(component, &json!({"run": "folder/web#42", "status": "started", "started_at": seconds_ago(600)})),
        stage("Build", "success", Some(600), Some(500)),
        stage("Test", "failed", Some(500), Some(450)),
        stage("Test", "success", Some(440), Some(400)),
        stage("Lint", "success", None, Some(420)),
        stage("Deploy", "started", Some(400), None),
        stage("Deploy / eu-west", "failed", Some(400), Some(100)),
        stage("Deploy / us-east", "started", Some(390), None),
    ]
}

/// Finished deploys: succeeded, failed, aborted, one with an unstated result and one without a start.
fn sample_deploys(component: &str) -> Vec<Value> {
    let day = 86_400;
    let deploy = |status: &str, from: i64, seconds: i64| {
        let (from, until) = (seconds_ago(from), seconds_ago(from - seconds));
        record(
            component,
            &json!({"status": status, "started_at": from, "finished_at": until, "committed_at": from, "unplanned": status == "failed"}),
        )
    };
    vec![
        deploy("deployed", 5 * day, 100),
        deploy("deployed", 4 * day, 120),
        deploy("failed", 3 * day, 40),
        deploy("deployed", 3 * day - 600, 110),
        deploy("aborted", 2 * day, 30),
        deploy("done", day, 90),
        record(component, &json!({"status": "failed", "finished_at": seconds_ago(7200)})),
    ]
}

fn component_url(service: &Service, component: &str) -> String {
    format!("{}?view=component&component={}", page_url(service), percent_encode(component))
}
