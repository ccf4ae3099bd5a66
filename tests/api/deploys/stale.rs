//! When a deploy that runs is most likely over.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ago, list};
use crate::harness::{Service, deployed_with};

/// A deploy that began so long ago, and took so long.
fn took(service: &Service, began: TimeDelta, took: TimeDelta, more: &Value) {
    let mut fields = json!({"started_at": ago(began), "finished_at": ago(began - took)});
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.record(&deployed_with(&fields));
}

/// Starts one that began so long ago and tells its state.
fn state_of_one_begun(service: &Service, began: TimeDelta, component: &str) -> String {
    let fields = json!({"status": "started", "started_at": ago(began), "component": component, "run": "now"});
    let id = service.record(&deployed_with(&fields))["id"].clone();
    let deploys = list(service, &format!("component={component}"));
    let deploy = deploys.iter().find(|deploy| deploy["start_id"] == id).expect("the deploy");
    let state = deploy["state"].as_str().unwrap().to_owned();
    for (asked, count) in [("running", usize::from(state == "running")), ("stale", usize::from(state == "stale"))] {
        assert_eq!(list(service, &format!("component={component}&state={asked}")).len(), count, "{asked}");
    }
    assert_eq!(service.request("DELETE", &format!("/api/{id}"), &[], None).status, 204);
    state
}

const SLACK: TimeDelta = TimeDelta::minutes(2);
const HOUR: TimeDelta = TimeDelta::hours(1);

#[test]
fn without_history_a_deploy_is_stale_after_a_day() {
    let service = Service::start();
    // None of these is history: it has no duration, did not succeed, is a stage, is another's, is too old.
    service.record(&deployed_with(&json!({})));
    took(&service, HOUR * 3, HOUR, &json!({"status": "failed"}));
    took(&service, HOUR * 3, HOUR, &json!({"status": "done"}));
    took(&service, HOUR * 3, HOUR, &json!({"stage": "Build"}));
    took(&service, HOUR * 3, HOUR, &json!({"component": "api"}));
    took(&service, TimeDelta::days(90) + HOUR * 2, HOUR, &json!({}));
    assert_eq!(state_of_one_begun(&service, TimeDelta::hours(24) - SLACK, "web"), "running");
    assert_eq!(state_of_one_begun(&service, TimeDelta::hours(24) + SLACK, "web"), "stale");
}

#[test]
fn with_history_a_deploy_is_stale_after_three_times_the_ninety_fifth_percentile() {
    let service = Service::start();
    // Of 21 durations of 30, 31, … 50 minutes in whatever environment, the 20th is at 95 %: 49 minutes. Three times
    // that is 2 h 27 min.
    for minute in 0..21 {
        let environment = if minute % 2 == 0 { "production" } else { "test" };
        took(&service, TimeDelta::days(80), TimeDelta::minutes(30 + minute), &json!({"environment": environment}));
    }
    // One that took a day, too long ago to count.
    took(&service, TimeDelta::days(92), TimeDelta::days(1), &json!({}));
    let limit = TimeDelta::minutes(147);
    assert_eq!(state_of_one_begun(&service, limit - SLACK, "web"), "running");
    assert_eq!(state_of_one_begun(&service, limit + SLACK, "web"), "stale");
    assert_eq!(state_of_one_begun(&service, limit + SLACK, "api"), "running", "another component has its own");
}

#[test]
fn a_deploy_is_not_stale_within_an_hour_however_fast_its_component_is() {
    let service = Service::start();
    took(&service, HOUR, TimeDelta::seconds(1), &json!({}));
    assert_eq!(state_of_one_begun(&service, HOUR - SLACK, "web"), "running");
    assert_eq!(state_of_one_begun(&service, HOUR + SLACK, "web"), "stale");
}

#[test]
fn a_real_finish_closes_a_stale_deploy() {
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
fn running_ones_are_found_behind_any_number_of_stale_ones() {
    let service = Service::start();
    let mut lines = Vec::new();
    for number in 0..2_500 {
        // Seconds apart, stale and running by turns of 1,000 and 250: 2,000 and 500.
        let component = if number % 1_250 < 1_000 { "fast" } else { "slow" };
        let began = ago(HOUR * 2 + TimeDelta::seconds(number));
        let more = json!({"status": "started", "component": component, "run": number.to_string(), "started_at": began});
        lines.push(deployed_with(&more));
    }
    service.import(&lines.join("\n")).expect(201);
    took(&service, HOUR, TimeDelta::seconds(1), &json!({"component": "fast"}));
    let runs = |query: &str| -> Vec<i64> {
        let listed = list(&service, query);
        listed.iter().map(|deploy| deploy["run"].as_str().unwrap().parse().unwrap()).collect()
    };
    let running: Vec<i64> = (1_000..1_250).chain(2_250..2_500).collect();
    assert_eq!(runs("state=running&limit=1000"), running);
    assert_eq!(runs("state=running&limit=260"), running[..260]);
    assert_eq!(runs("state=stale&limit=1000"), (0..1_000).collect::<Vec<_>>());
    let all = list(&service, "limit=1000");
    assert_eq!(all.iter().filter(|deploy| deploy["state"] == "stale").count(), 999, "and one that finished");
}
