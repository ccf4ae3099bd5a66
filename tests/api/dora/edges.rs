//! Rollbacks at the edges of a window, and what is said in other places than the finish.

use serde_json::{Value, json};

use super::{FAIL_RATE, FREQUENCY, LEAD_TIME, RECOVERY, REWORK, figures, finished, report};
use crate::harness::{Service, deployed_with};

/// A on the 1st, B on the 2nd and 3rd, A on the 4th, B on the 5th, C on the 6th, all at noon.
fn there_and_back(service: &Service) {
    let each = ["A", "B", "B", "A", "B", "C"].into_iter().zip(1..);
    let lines: Vec<_> = each
        .map(|(version, day)| {
            let at = format!("2026-11-0{day}T12:00:00Z");
            deployed_with(&json!({ "environment": "production", "version": version, "finished_at": at }))
        })
        .collect();
    service.import(&lines.join("\n")).expect(201);
}

fn failures(service: &Service, since: u8, until: u8) -> (Value, Value) {
    let web = report(service, &format!("since=2026-11-0{since}T00:00:00Z&until=2026-11-0{until}T00:00:00Z"));
    (web[FAIL_RATE]["numerator"].clone(), web[RECOVERY]["value"].clone())
}

#[test]
fn a_rollback_undoes_the_last_deploy_of_a_version_and_its_undoing_undoes_nothing() {
    let service = Service::start();
    there_and_back(&service);
    // B of the 3rd alone, recovered from a day later. A of the 4th stands between two B, but it is the rollback.
    assert_eq!(failures(&service, 1, 7), (json!(1), json!(86400.0)));
}

#[test]
fn what_lies_beyond_the_window_decides_as_if_it_lay_within() {
    let service = Service::start();
    there_and_back(&service);
    for (since, until, expected) in [
        // The rollback comes after it.
        (3, 4, (json!(1), json!(86400.0))),
        // A came before it.
        (2, 5, (json!(1), json!(86400.0))),
        // B of the 2nd is followed by another B.
        (1, 3, (json!(0), Value::Null)),
        // A of the 4th, between two B, one before the window and one after it.
        (4, 5, (json!(0), Value::Null)),
        (4, 7, (json!(0), Value::Null)),
    ] {
        assert_eq!(failures(&service, since, until), expected, "{since} to {until}");
    }
}

#[test]
fn a_rollback_is_known_as_one_however_often_a_version_was_deployed_before_the_window() {
    let service = Service::start();
    let deploys = |day: u32, version: &'static str, count: u32| {
        (0..count).map(move |minute| (version, format!("2026-11-0{day}T12:{minute:02}:00Z")))
    };
    // A, B; then A is undone by nothing, because it is what undid B; and so on.
    let all = [(1, "A", 1), (2, "B", 30), (3, "A", 30), (4, "B", 30), (5, "A", 30), (6, "B", 1)];
    let all = all.into_iter().flat_map(|(day, version, count)| deploys(day, version, count));
    let lines = all.map(|(version, at)| {
        deployed_with(&json!({ "environment": "production", "version": version, "finished_at": at }))
    });
    service.import(&lines.collect::<Vec<_>>().join("\n")).expect(201);
    // The last B of the 2nd and of the 4th are undone; in each window that begins later as in the whole.
    for (since, until, count) in [(1, 7, 2), (2, 3, 1), (3, 4, 0), (3, 7, 1), (4, 5, 1), (5, 6, 0), (5, 7, 0)] {
        assert_eq!(failures(&service, since, until).0, json!(count), "{since} to {until}");
    }
}

#[test]
fn a_rolled_back_record_speaks_of_the_last_deploy_of_its_version_till_then() {
    let service = Service::start();
    let note = |version: &'static str, at: &'static str| (version, "rolled_back", at, json!({}));
    finished(
        &service,
        [
            ("A", "deployed", "2026-11-01T12:00:00Z", json!({})),
            ("A", "deployed", "2026-11-02T12:00:00Z", json!({})),
            note("A", "2026-11-02T18:00:00Z"),
            note("A", "2026-11-02T19:00:00Z"),
            ("A", "deployed", "2026-11-03T12:00:00Z", json!({})),
            // Of a version that was never there, of a stage, and of another environment.
            note("Z", "2026-11-04T12:00:00Z"),
            ("A", "rolled_back", "2026-11-04T12:00:00Z", json!({ "stage": "Deploy" })),
            ("A", "rolled_back", "2026-11-04T12:00:00Z", json!({ "environment": "staging" })),
        ],
    );
    assert_eq!(failures(&service, 1, 5), (json!(1), json!(86400.0)));
    assert_eq!(failures(&service, 2, 3), (json!(1), json!(86400.0)));
    assert_eq!(failures(&service, 3, 5), (json!(0), Value::Null));
}

#[test]
fn what_a_finish_leaves_unsaid_its_start_may_have_said() {
    let service = Service::start();
    let start = json!({
        "environment": "production", "status": "started", "started_at": "2026-11-02T10:00:00Z",
        "committed_at": "2026-11-02T09:00:00Z", "unplanned": true
    });
    service.record(&deployed_with(&start));
    finished(&service, [("2.1", "deployed", "2026-11-02T10:30:00Z", json!({}))]);
    let web = report(&service, "since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z");
    // An hour and a half after the commit.
    assert_eq!(figures(&web[LEAD_TIME]), json!([5400.0, 1, 1, "exact"]));
    assert_eq!(figures(&web[REWORK]), json!([100.0, 1, 1, "exact"]));
}

#[test]
fn a_result_that_is_unstated_is_left_out_and_told() {
    let service = Service::start();
    let planned = || json!({ "unplanned": false, "committed_at": "2026-11-02T09:00:00Z" });
    finished(
        &service,
        [
            ("1", "deployed", "2026-11-02T10:00:00Z", planned()),
            ("2", "done", "2026-11-02T11:00:00Z", planned()),
            // Committed after it finished: a clock is wrong, and there is no lead time.
            (
                "3",
                "deployed",
                "2026-11-02T12:00:00Z",
                json!({ "unplanned": false, "committed_at": "2026-11-02T13:00:00Z" }),
            ),
        ],
    );
    let web = report(&service, "since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z");
    assert_eq!(figures(&web[FREQUENCY]), json!([2.0, 2, 1.0, "proxy"]));
    assert_eq!((&web[FREQUENCY]["result_unstated"], &web[FREQUENCY]["days_with_deploys"]), (&json!(1), &json!(1)));
    assert_eq!(figures(&web[LEAD_TIME]), json!([3600.0, 1, 2, "proxy"]));
    assert_eq!(figures(&web[FAIL_RATE]), json!([0.0, 0, 2, "proxy"]));
    assert_eq!(figures(&web[REWORK]), json!([0.0, 0, 2, "proxy"]));
    for metric in [FREQUENCY, LEAD_TIME, FAIL_RATE, REWORK] {
        let rule = web[metric]["rule"].as_str().unwrap();
        assert!(rule.ends_with("deploys whose result is unstated are left out: 1"), "{metric}: {rule}");
    }
}

#[test]
fn of_many_unrecovered_failures_the_newest_twenty_are_named() {
    let service = Service::start();
    let lines: Vec<_> = (10..35)
        .map(|minute| {
            let at = format!("2026-11-02T12:{minute}:00Z");
            let fields = json!({ "environment": "production", "status": "failed", "version": minute.to_string(), "finished_at": at });
            deployed_with(&fields)
        })
        .collect();
    service.import(&lines.join("\n")).expect(201);
    let web = report(&service, "since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z");
    assert_eq!(web[RECOVERY]["unrecovered"], 25);
    let named: Vec<_> = web[RECOVERY]["newest_unrecovered"].as_array().unwrap().iter().collect();
    let versions: Vec<_> = named.iter().map(|open| open["version"].as_str().unwrap().to_owned()).collect();
    assert_eq!(versions, (15..35).rev().map(|minute| minute.to_string()).collect::<Vec<_>>());
}
