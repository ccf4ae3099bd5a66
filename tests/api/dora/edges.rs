//! Rollbacks at the edges of a window, fields that only the start has, and unstated results.

use serde_json::{Value, json};

use super::{FAIL_RATE, FREQUENCY, LEAD_TIME, RECOVERY, REWORK, figures, record_deploys, report};
use crate::harness::{Service, deployed_with};

/// A on the 1st, B on the 2nd and 3rd, A on the 4th, B on the 5th, C on the 6th, all at noon.
fn deploy_and_roll_back(service: &Service) {
    let each = ["A", "B", "B", "A", "B", "C"].into_iter().zip(1..);
    let lines: Vec<_> = each
        .map(|(version, day)| {
            let at = format!("2026-11-0{day}T12:00:00Z");
            deployed_with(&json!({ "environment": "production", "version": version, "finished_at": at }))
        })
        .collect();
    service.import(&lines.join("\n")).expect(201);
}

/// The number of failures and the recovery time between two days of November.
fn failures(service: &Service, since: u8, until: u8) -> (Value, Value) {
    let web = report(service, &format!("since=2026-11-0{since}T00:00:00Z&until=2026-11-0{until}T00:00:00Z"));
    (web[FAIL_RATE]["numerator"].clone(), web[RECOVERY]["value"].clone())
}

#[test]
fn a_rollback_counts_the_last_deploy_of_the_version_and_undoing_the_rollback_counts_nothing() {
    let service = Service::start();
    deploy_and_roll_back(&service);
    // Only B of the 3rd, with a recovery a day later. A of the 4th is between two B too, but it is the rollback.
    assert_eq!(failures(&service, 1, 7), (json!(1), json!(86400.0)));
}

#[test]
fn deploys_outside_the_window_decide_which_deploys_inside_were_undone() {
    let service = Service::start();
    deploy_and_roll_back(&service);
    for (since, until, expected) in [
        // The rollback is after the window.
        (3, 4, (json!(1), json!(86400.0))),
        // A is before the window.
        (2, 5, (json!(1), json!(86400.0))),
        // B of the 2nd is followed by another B, so it was not undone.
        (1, 3, (json!(0), Value::Null)),
        // A of the 4th is the rollback, although one B is before the window and one after it.
        (4, 5, (json!(0), Value::Null)),
        (4, 7, (json!(0), Value::Null)),
    ] {
        assert_eq!(failures(&service, since, until), expected, "{since} to {until}");
    }
}

#[test]
fn a_rollback_is_recognised_however_often_a_version_was_deployed_before_the_window() {
    let service = Service::start();
    let deploys = |day: u32, version: &'static str, count: u32| {
        (0..count).map(move |minute| (version, format!("2026-11-0{day}T12:{minute:02}:00Z")))
    };
    // Each A after a B is a rollback, so the B after it does not undo it; and so on.
    let all = [(1, "A", 1), (2, "B", 30), (3, "A", 30), (4, "B", 30), (5, "A", 30), (6, "B", 1)];
    let all = all.into_iter().flat_map(|(day, version, count)| deploys(day, version, count));
    let lines = all.map(|(version, at)| {
        deployed_with(&json!({ "environment": "production", "version": version, "finished_at": at }))
    });
    service.import(&lines.collect::<Vec<_>>().join("\n")).expect(201);
    // The last B of the 2nd and the last B of the 4th are undone, also in windows that begin later.
    for (since, until, count) in [(1, 7, 2), (2, 3, 1), (3, 4, 0), (3, 7, 1), (4, 5, 1), (5, 6, 0), (5, 7, 0)] {
        assert_eq!(failures(&service, since, until).0, json!(count), "{since} to {until}");
    }
}

#[test]
fn a_rolled_back_record_counts_the_last_earlier_deploy_of_its_version() {
    let service = Service::start();
    let rolled_back = |version: &'static str, at: &'static str| (version, "rolled_back", at, json!({}));
    record_deploys(
        &service,
        [
            ("A", "deployed", "2026-11-01T12:00:00Z", json!({})),
            ("A", "deployed", "2026-11-02T12:00:00Z", json!({})),
            rolled_back("A", "2026-11-02T18:00:00Z"),
            rolled_back("A", "2026-11-02T19:00:00Z"),
            ("A", "deployed", "2026-11-03T12:00:00Z", json!({})),
            // An unknown version, a stage, another environment.
            rolled_back("Z", "2026-11-04T12:00:00Z"),
            ("A", "rolled_back", "2026-11-04T12:00:00Z", json!({ "stage": "Deploy" })),
            ("A", "rolled_back", "2026-11-04T12:00:00Z", json!({ "environment": "staging" })),
        ],
    );
    assert_eq!(failures(&service, 1, 5), (json!(1), json!(86400.0)));
    assert_eq!(failures(&service, 2, 3), (json!(1), json!(86400.0)));
    assert_eq!(failures(&service, 3, 5), (json!(0), Value::Null));
}

#[test]
fn fields_that_a_finish_leaves_out_are_taken_from_its_start() {
    let service = Service::start();
    let start = json!({
        "environment": "production", "status": "started", "started_at": "2026-11-02T10:00:00Z",
        "committed_at": "2026-11-02T09:00:00Z", "unplanned": true
    });
    service.record(&deployed_with(&start));
    record_deploys(&service, [("2.1", "deployed", "2026-11-02T10:30:00Z", json!({}))]);
    let web = report(&service, "since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z");
    // An hour and a half after the commit.
    assert_eq!(figures(&web[LEAD_TIME]), json!([5400.0, 1, 1, "exact"]));
    assert_eq!(figures(&web[REWORK]), json!([100.0, 1, 1, "exact"]));
}

#[test]
fn fields_of_a_finish_win_over_those_of_its_start() {
    let service = Service::start();
    for (version, of_start, of_finish) in [("1", true, false), ("2", false, true), ("3", true, false)] {
        let fields = |status: &str, unplanned: bool, commit: u8| {
            deployed_with(&json!({
                "environment": "production", "version": version, "status": status, "unplanned": unplanned,
                "committed_at": format!("2026-11-02T0{commit}:00:00Z"),
                (if status == "started" { "started_at" } else { "finished_at" }): format!("2026-11-02T1{version}:00:00Z"),
            }))
        };
        service.record(&fields("started", of_start, 1));
        service.record(&fields("deployed", of_finish, 9));
    }
    let web = report(&service, "since=2026-11-02T00:00:00Z&until=2026-11-03T00:00:00Z");
    assert_eq!(figures(&web[REWORK]), json!([33.333, 1, 3, "exact"]));
    assert_eq!(figures(&web[LEAD_TIME]), json!([10800.0, 3, 3, "exact"]), "at noon, three hours after the commit");
}

#[test]
fn deploys_with_an_unstated_result_are_left_out_and_counted_in_the_rule() {
    let service = Service::start();
    let planned = || json!({ "unplanned": false, "committed_at": "2026-11-02T09:00:00Z" });
    record_deploys(
        &service,
        [
            ("1", "deployed", "2026-11-02T10:00:00Z", planned()),
            ("2", "done", "2026-11-02T11:00:00Z", planned()),
            // Committed after the finish: a clock is wrong, so there is no lead time.
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
fn only_the_newest_twenty_unrecovered_failures_are_listed() {
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
