//! The page, in a real browser against the real service. A binary of its own: cargo runs one after the other, and a
//! browser takes the time that others are measured in.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

#[path = "../api"]
mod api {
    #[allow(dead_code, unused_imports, reason = "shared with the tests of the interface, which use it all")]
    pub mod harness;
}

mod access;
mod browser;
mod files;
mod history;
mod hostile;
mod live;
mod proxy;
mod screenshots;
mod token;
mod views;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use api::harness::{self, Service, percent_encode};

/// Where the page of a service is.
fn home(service: &Service) -> String {
    format!("http://{}/", service.address)
}

/// So many seconds ago, as the service writes it.
fn ago(seconds: i64) -> String {
    at(Utc::now() - TimeDelta::seconds(seconds))
}

fn at(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A record of this component in production.
fn of(component: &str, more: &Value) -> Value {
    let mut record = json!({"component": component, "version": "2.1", "owner": "ann", "environment": "production"});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

/// A component's run with everything that a timeline has: parallel branches, a stage that is tried twice, one that
/// fails, one that still runs, and one without a start.
fn run_of(component: &str) -> Vec<Value> {
    let stage = |name: &str, status: &str, from: Option<i64>, until: Option<i64>| {
        let mut record = of(component, &json!({"run": "folder/web#42", "stage": name, "status": status}));
        if let Some(from) = from {
            record["started_at"] = ago(from).into();
        }
        if let Some(until) = until {
            record["finished_at"] = ago(until).into();
        }
        record
    };
    vec![
        of(component, &json!({"run": "folder/web#42", "status": "started", "started_at": ago(600)})),
        stage("Build", "success", Some(600), Some(500)),
        stage("Test", "failed", Some(500), Some(450)),
        stage("Test", "success", Some(440), Some(400)),
        stage("Lint", "success", None, Some(420)),
        stage("Deploy", "started", Some(400), None),
        stage("Deploy / eu-west", "failed", Some(400), Some(100)),
        stage("Deploy / us-east", "started", Some(390), None),
    ]
}

/// Deploys of `web` that are over: a redeploy, failures, one aborted, one unstated, one without a start.
fn days_of(component: &str) -> Vec<Value> {
    let day = 86_400;
    let deploy = |status: &str, from: i64, seconds: i64| {
        let (from, until) = (ago(from), ago(from - seconds));
        of(
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
        of(component, &json!({"status": "failed", "finished_at": ago(7200)})),
    ]
}

/// The address of a component's view.
fn component_view(service: &Service, component: &str) -> String {
    format!("{}?view=component&component={}", home(service), percent_encode(component))
}
