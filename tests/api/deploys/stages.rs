//! The stages of a deploy's run.

use serde_json::{Value, json};

use super::{body_with_times, list, state, states};
use crate::harness::{Service, deployed_with};

const RUN: &str = "folder/job#42";

/// Records an event of the run or of one of its stages.
fn record(service: &Service, status: &str, times: [&str; 2], stage: Option<&str>) -> Value {
    service.record(&body_with_times(status, times, &json!({"run": RUN, "stage": stage, "environment": "production"})))
}

/// Name, state and duration of each stage of the only deploy.
#[track_caller]
fn stages(service: &Service, query: &str) -> Vec<(String, String, Option<f64>)> {
    let deploys = list(service, query);
    assert_eq!(deploys.len(), 1, "{deploys:?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let attempt = |stage: &Value| (text(&stage["stage"]), text(&stage["state"]), stage["duration_seconds"].as_f64());
    deploys[0]["stages"].as_array().unwrap().iter().map(attempt).collect()
}

#[test]
fn stages_are_listed_with_their_times_on_request() {
    let service = Service::start();
    record(&service, "started", ["10:00:00", ""], None);
    record(&service, "started", ["10:00:01", ""], Some("Build"));
    record(&service, "ok", ["", "10:00:41"], Some("Build"));
    let begun = record(&service, "started", ["10:00:42", ""], Some("Roll out / eu"));
    record(&service, "started", ["10:00:42", ""], Some("Roll out / us"));
    record(&service, "failed", ["", "10:01:12"], Some("Roll out / us"));
    let ended = record(&service, "ok", ["", "10:01:42.5"], Some("Roll out / eu"));
    record(&service, "failed", ["", "10:02:00"], None);
    let finished = |name: &str, seconds: f64| (name.to_owned(), "finished".to_owned(), Some(seconds));
    assert_eq!(
        stages(&service, "stages=true"),
        [finished("Build", 40.0), finished("Roll out / us", 30.0), finished("Roll out / eu", 60.5)]
    );
    let eu = json!({
        "stage": "Roll out / eu", "phase": "succeeded", "status": "ok",
        "started_at": "2026-01-01T10:00:42.000000Z", "finished_at": "2026-01-01T10:01:42.500000Z",
        "duration_seconds": 60.5, "state": "finished", "start_id": begun["id"], "finish_id": ended["id"],
    });
    assert_eq!(list(&service, "stages=true")[0]["stages"][2], eu);
    for query in ["", "stages=false"] {
        assert_eq!(list(&service, query)[0].get("stages"), None, "{query}");
    }
}

#[test]
fn every_attempt_of_a_stage_is_listed_but_skipped_and_queued_ones_are_not() {
    let service = Service::start();
    record(&service, "started", ["10:00:00", ""], None);
    record(&service, "started", ["10:00:01", ""], Some("Test"));
    record(&service, "failed", ["", "10:00:05"], Some("Test"));
    record(&service, "started", ["10:00:06", ""], Some("Test"));
    record(&service, "started", ["10:00:07", ""], Some("Test"));
    record(&service, "skipped", ["", ""], Some("Sign"));
    record(&service, "queued", ["", ""], Some("Deploy"));
    record(&service, "ok", ["", "10:00:09"], Some("Lone"));
    let attempt = |name: &str, state: &str, seconds| (name.to_owned(), state.to_owned(), seconds);
    assert_eq!(
        stages(&service, "stages=true"),
        [
            attempt("Test", "finished", Some(4.0)),
            attempt("Test", "superseded", None),
            attempt("Test", "running", None),
            attempt("Lone", "finished", None)
        ]
    );
}

#[test]
fn a_stage_belongs_to_its_component_run_and_environment_or_to_every_environment_of_its_run() {
    let service = Service::start();
    for environment in ["production", "staging"] {
        let fields = json!({"run": RUN, "environment": environment});
        service.record(&deployed_with(&fields));
        let mut stage = fields.clone();
        stage["stage"] = format!("To {environment}").into();
        service.record(&deployed_with(&stage));
    }
    for (name, further) in [
        ("Build", json!({})),
        ("other component", json!({"component": "api"})),
        ("other run", json!({"run": "x"})),
        ("no run", json!({"run": null})),
    ] {
        let mut fields = json!({"stage": name, "run": RUN});
        fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        service.record(&deployed_with(&fields));
    }
    let names = |environment: &str| -> Vec<String> {
        let query = format!("stages=true&component=web&environment={environment}");
        stages(&service, &query).into_iter().map(|(name, ..)| name).collect()
    };
    assert_eq!(names("production"), ["To production", "Build"]);
    assert_eq!(names("staging"), ["To staging", "Build"]);
    service.record(&deployed_with(&json!({"environment": "without a run"})));
    assert_eq!(list(&service, "stages=true&environment=without+a+run")[0]["stages"], json!([]));
    // The filter follows the same rule.
    let environments = |stage: &str| -> Vec<Value> {
        let listed = list(&service, &format!("stage={}", crate::harness::percent_encode(stage)));
        listed.iter().map(|deploy| deploy["environment"].clone()).collect()
    };
    assert_eq!(environments("To staging"), ["staging"]);
    assert_eq!(environments("Build"), ["staging", "production"]);
    for stage in ["other component", "other run", "no run", "build"] {
        assert_eq!(environments(stage), [Value::Null; 0], "{stage}");
    }
}

#[test]
fn the_stage_filter_also_finds_running_deploys() {
    let service = Service::start();
    let started = service.record(&deployed_with(&json!({"status": "started", "run": RUN})));
    service.record(&deployed_with(&json!({"status": "started", "run": RUN, "stage": "Build"})));
    let running = [state("running", &started["id"], &Value::Null)];
    assert_eq!(states(&service, "stage=Build"), running);
    assert_eq!(states(&service, "stage=Test"), []);
}

#[test]
fn the_stage_filter_finds_no_unfinished_deploy_whose_run_lacks_the_stage() {
    let service = Service::start();
    for (run, environment, version) in [("a", "production", "1"), ("b", "staging", "2"), ("c", "production", "2")] {
        let mut fields = json!({"status": "started", "run": run, "environment": environment, "version": version});
        service.record(&deployed_with(&fields));
        fields["stage"] = if run == "b" { "Build" } else { "Test" }.into();
        service.record(&deployed_with(&fields));
    }
    let runs = |stage: &str| -> Vec<Value> {
        list(&service, &format!("stage={stage}")).iter().map(|deploy| deploy["run"].clone()).collect()
    };
    assert_eq!(runs("Build"), ["b"]);
    assert_eq!(runs("Test"), ["c", "a"]);
}
