//! When a running deploy counts as stale.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ago, list};
use crate::harness::{Service, deployed_with};

/// Records a deploy that started this long ago and took this long.
fn record_deploy(service: &Service, started: TimeDelta, duration: TimeDelta, further: &Value) {
    let mut fields = json!({"started_at": ago(started), "finished_at": ago(started - duration)});
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    service.record(&deployed_with(&fields));
}

/// The state of a deploy that started this long ago and has not finished.
fn state_of_start(service: &Service, started: TimeDelta, component: &str) -> String {
    let fields = json!({"status": "started", "started_at": ago(started), "component": component, "run": "now"});
    let id = service.record(&deployed_with(&fields))["id"].clone();
    let deploys = list(service, &format!("component={component}"));
    let deploy = deploys.iter().find(|deploy| deploy["start_id"] == id).expect("the deploy");
    let state = deploy["state"].as_str().unwrap().to_owned();
    for (filter, count) in [("running", usize::from(state == "running")), ("stale", usize::from(state == "stale"))] {
        assert_eq!(list(service, &format!("component={component}&state={filter}")).len(), count, "{filter}");
    }
    assert_eq!(service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
    state
}

const SLACK: TimeDelta = TimeDelta::minutes(2);
const HOUR: TimeDelta = TimeDelta::hours(1);

#[test]
fn without_history_a_deploy_is_stale_after_a_day() {
    let service = Service::start();
    // None of these counts: no duration, not succeeded (twice), a stage, another component, too old.
    service.record(&deployed_with(&json!({})));
    record_deploy(&service, HOUR * 3, HOUR, &json!({"status": "failed"}));
    record_deploy(&service, HOUR * 3, HOUR, &json!({"status": "done"}));
    record_deploy(&service, HOUR * 3, HOUR, &json!({"stage": "Build"}));
    record_deploy(&service, HOUR * 3, HOUR, &json!({"component": "api"}));
    record_deploy(&service, TimeDelta::days(90) + HOUR * 2, HOUR, &json!({}));
    assert_eq!(state_of_start(&service, TimeDelta::hours(24) - SLACK, "web"), "running");
    assert_eq!(state_of_start(&service, TimeDelta::hours(24) + SLACK, "web"), "stale");
}

#[test]
fn with_history_a_deploy_is_stale_after_three_times_the_ninety_fifth_percentile() {
    let service = Service::start();
    // Of 21 durations of 30, 31, … 50 minutes in any environment, the 20th is the 95th percentile: 49 minutes. Three
    // times that is 2 h 27 min.
    for minute in 0..21 {
        let environment = if minute % 2 == 0 { "production" } else { "test" };
        record_deploy(
            &service,
            TimeDelta::days(80),
            TimeDelta::minutes(30 + minute),
            &json!({"environment": environment}),
        );
    }
    // One that took a day, but is too old to count.
    record_deploy(&service, TimeDelta::days(92), TimeDelta::days(1), &json!({}));
    let limit = TimeDelta::minutes(147);
    assert_eq!(state_of_start(&service, limit - SLACK, "web"), "running");
    assert_eq!(state_of_start(&service, limit + SLACK, "web"), "stale");
    assert_eq!(state_of_start(&service, limit + SLACK, "api"), "running", "another component has its own history");
}

#[test]
fn a_deploy_is_not_stale_within_the_first_hour() {
    let service = Service::start();
    record_deploy(&service, HOUR, TimeDelta::seconds(1), &json!({}));
    assert_eq!(state_of_start(&service, HOUR - SLACK, "web"), "running");
    assert_eq!(state_of_start(&service, HOUR + SLACK, "web"), "stale");
}

#[test]
fn a_finish_ends_a_stale_deploy() {
    let service = Service::start();
    let started = service.record(&deployed_with(&json!({"status": "started", "started_at": ago(TimeDelta::days(3))})));
    assert_eq!(list(&service, "state=stale").len(), 1);
    let finished = service.record(&deployed_with(&json!({})));
    assert_eq!(list(&service, "state=stale"), [Value::Null; 0]);
    let deploys = list(&service, "state=finished");
    assert_eq!(deploys.len(), 1);
    assert_eq!((&deploys[0]["start_id"], &deploys[0]["finish_id"]), (&started["id"], &finished["id"]));
}

#[test]
fn running_deploys_are_found_among_any_number_of_stale_ones() {
    let service = Service::start();
    let mut lines = Vec::new();
    for number in 0..2_500 {
        // One second apart: 1,000 stale ones, 250 running ones, and the same again.
        let component = if number % 1_250 < 1_000 { "fast" } else { "slow" };
        let started = ago(HOUR * 2 + TimeDelta::seconds(number));
        let fields =
            json!({"status": "started", "component": component, "run": number.to_string(), "started_at": started});
        lines.push(deployed_with(&fields));
    }
    service.import(&lines.join("\n")).expect(201);
    record_deploy(&service, HOUR, TimeDelta::seconds(1), &json!({"component": "fast"}));
    let runs = |query: &str| -> Vec<i64> {
        let listed = list(&service, query);
        listed.iter().map(|deploy| deploy["run"].as_str().unwrap().parse().unwrap()).collect()
    };
    let running: Vec<i64> = (1_000..1_250).chain(2_250..2_500).collect();
    assert_eq!(runs("state=running&limit=1000"), running);
    assert_eq!(runs("state=running&limit=260"), running[..260]);
    assert_eq!(runs("state=stale&limit=1000"), (0..1_000).collect::<Vec<_>>());
    let all = list(&service, "limit=1000");
    assert_eq!(
        all.iter().filter(|deploy| deploy["state"] == "stale").count(),
        999,
        "the first of 1,000 is the finished one"
    );
}
