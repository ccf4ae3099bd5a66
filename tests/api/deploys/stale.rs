//! When a running deploy counts as stale.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ago, list};
use crate::harness::{Service, deployed_with};

/// A deploy that finished this long ago and took this long.
fn deploy(finished: TimeDelta, duration: TimeDelta, further: &Value) -> String {
    let mut fields = json!({"started_at": ago(finished + duration), "finished_at": ago(finished)});
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    deployed_with(&fields)
}

/// The state of a deploy that started this long ago and has not finished.
fn state_of_start(service: &Service, started: TimeDelta, component: &str, environment: Option<&str>) -> String {
    let fields = json!({
        "status": "started", "started_at": ago(started), "component": component, "environment": environment, "run": "now"
    });
    let id = service.record(&deployed_with(&fields))["id"].clone();
    let deploys = list(service, &format!("component={component}&limit=1000"));
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
    let mut lines = vec![
        // None of these counts: not succeeded (twice), a stage, another component, another environment.
        deploy(HOUR * 2, HOUR, &json!({"status": "failed"})),
        deploy(HOUR * 2, HOUR, &json!({"status": "done"})),
        deploy(HOUR * 2, HOUR, &json!({"stage": "Build"})),
        deploy(HOUR * 2, HOUR, &json!({"component": "api"})),
        deploy(HOUR * 2, HOUR, &json!({"environment": "test"})),
        // This one does not count because a hundred succeeded after it, without a duration.
        deploy(HOUR * 2, HOUR * 100, &json!({})),
    ];
    lines.extend(vec![deployed_with(&json!({})); 100]);
    service.import(&lines.join("\n")).expect(201);
    for environment in [None, Some("production")] {
        assert_eq!(state_of_start(&service, TimeDelta::hours(24) - SLACK, "web", environment), "running");
        assert_eq!(state_of_start(&service, TimeDelta::hours(24) + SLACK, "web", environment), "stale");
    }
}

#[test]
fn with_history_a_deploy_is_stale_after_three_times_the_ninety_fifth_percentile() {
    let service = Service::start();
    let production = json!({"environment": "production"});
    // Of 21 durations of 30, 31, … 50 minutes the 20th is the 95th percentile: 49 minutes. Three times that is 2 h 27 min.
    let minutes = (30..51).map(TimeDelta::minutes);
    let mut lines: Vec<_> = minutes.map(|duration| deploy(TimeDelta::days(400), duration, &production)).collect();
    // Without a duration.
    lines.extend(vec![deployed_with(&production); 70]);
    // Another environment has its own history: 9 h.
    lines.push(deploy(HOUR, HOUR * 3, &json!({"environment": "test"})));
    service.import(&lines.join("\n")).expect(201);
    for (environment, limit) in [("production", TimeDelta::minutes(147)), ("test", HOUR * 9)] {
        assert_eq!(state_of_start(&service, limit - SLACK, "web", Some(environment)), "running", "{environment}");
        assert_eq!(state_of_start(&service, limit + SLACK, "web", Some(environment)), "stale", "{environment}");
    }
    for (component, environment) in [("web", None), ("api", Some("production"))] {
        assert_eq!(state_of_start(&service, HOUR * 23, component, environment), "running", "{component}");
    }
}

#[test]
fn a_deploy_may_run_longer_than_a_day_where_deploys_take_that_long() {
    let service = Service::start();
    service.record(&deploy(HOUR, HOUR * 20, &json!({"environment": "test"})));
    assert_eq!(state_of_start(&service, HOUR * 60 - SLACK, "web", Some("test")), "running");
    assert_eq!(state_of_start(&service, HOUR * 60 + SLACK, "web", Some("test")), "stale");
    assert_eq!(state_of_start(&service, HOUR * 24 + SLACK, "web", None), "stale");
}

#[test]
fn only_the_last_hundred_succeeded_deploys_count() {
    let service = Service::start();
    let mut lines = vec![deploy(HOUR * 2, HOUR * 10, &json!({})); 50];
    lines.extend(vec![deploy(HOUR, HOUR / 2, &json!({})); 100]);
    lines.extend(vec![deploy(HOUR, HOUR * 10, &json!({"status": "failed"})); 50]);
    service.import(&lines.join("\n")).expect(201);
    assert_eq!(state_of_start(&service, HOUR * 3 / 2 - SLACK, "web", None), "running");
    assert_eq!(state_of_start(&service, HOUR * 3 / 2 + SLACK, "web", None), "stale");
}

#[test]
fn a_deploy_is_not_stale_within_the_first_hour() {
    let service = Service::start();
    service.record(&deploy(HOUR, TimeDelta::seconds(1), &json!({})));
    assert_eq!(state_of_start(&service, HOUR - SLACK, "web", None), "running");
    assert_eq!(state_of_start(&service, HOUR + SLACK, "web", None), "stale");
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
    service.record(&deploy(HOUR, TimeDelta::seconds(1), &json!({"component": "fast"})));
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
