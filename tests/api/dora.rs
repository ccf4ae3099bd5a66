//! `/api/dora`: the five DORA metrics, compared with examples calculated by hand.

mod edges;
mod model;
mod parameters;

use serde_json::{Value, json};

use crate::harness::{Service, deployed_with};

const FREQUENCY: &str = "deployment_frequency_per_day";
const LEAD_TIME: &str = "change_lead_time_seconds";
const FAIL_RATE: &str = "change_fail_rate_percent";
const RECOVERY: &str = "failed_deployment_recovery_time_seconds";
const REWORK: &str = "deployment_rework_rate_percent";

/// Records deploys to production, each with version, status, time of its finish and further fields.
fn record_deploys<const N: usize>(service: &Service, deploys: [(&str, &str, &str, Value); N]) {
    let lines = deploys.map(|(version, status, at, further)| {
        let mut fields =
            json!({ "environment": "production", "version": version, "status": status, "finished_at": at });
        fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        deployed_with(&fields)
    });
    service.import(&lines.join("\n")).expect(201);
}

/// The report of the only component.
#[track_caller]
fn report(service: &Service, query: &str) -> Value {
    let report = service.get(&format!("/api/dora?{query}")).expect(200);
    assert_eq!(report["components"].as_array().map(Vec::len), Some(1), "{report}");
    report["components"][0].clone()
}

/// Value, numerator, denominator and basis.
fn figures(metric: &Value) -> Value {
    json!([metric["value"], metric["numerator"], metric["denominator"], metric["basis"]])
}

/// The deploys of ten days in New York, which is five hours behind UTC on these days.
fn ten_days(service: &Service) {
    let commit = |at: &str| json!({ "committed_at": at });
    record_deploys(
        service,
        [
            // Before the window: the version that 1.1 replaces.
            ("1.0", "deployed", "2026-11-01T12:00:00Z", json!({})),
            (
                "1.1",
                "deployed",
                "2026-11-02T10:10:00Z",
                json!({ "committed_at": "2026-11-02T08:10:00Z", "unplanned": false }),
            ),
            // Across midnight in UTC, from a sender in New York, where it is 22:30 on the 2nd.
            (
                "1.2",
                "deployed",
                "2026-11-02T22:30:00-05:00",
                json!({ "started_at": "2026-11-02T18:50:00-05:00", "committed_at": "2026-11-02T18:30:00-05:00" }),
            ),
            // A redeploy.
            ("1.2", "deployed", "2026-11-03T15:00:00Z", commit("2026-11-02T23:30:00Z")),
            // Fails; the rolled_back record does not count it twice; the next attempt is aborted, the one after succeeds.
            ("1.3", "failed", "2026-11-04T12:00:00Z", json!({})),
            ("1.3", "Rolled-Back", "2026-11-04T12:10:00Z", json!({})),
            ("1.3", "aborted", "2026-11-04T12:45:00Z", commit("2026-11-04T11:30:00Z")),
            ("1.3", "deployed", "2026-11-04T13:30:00Z", commit("2026-11-04T11:30:00Z")),
            // Undone by a rollback: 1.3, 1.4, 1.3.
            ("1.4", "deployed", "2026-11-05T10:00:00Z", commit("2026-11-05T09:00:00Z")),
            ("1.3", "deployed", "2026-11-05T10:40:00Z", commit("2026-11-04T11:30:00Z")),
            // Named by a rolled_back record, and followed by a hotfix.
            ("1.5", "deployed", "2026-11-06T09:00:00Z", json!({})),
            ("1.5", "rolled_back", "2026-11-06T09:20:00Z", json!({})),
            (
                "1.6",
                "deployed",
                "2026-11-06T11:00:00Z",
                json!({ "committed_at": "2026-11-06T10:30:00Z", "unplanned": true }),
            ),
            // Overlapping: 1.8 starts later and finishes earlier.
            (
                "1.7",
                "deployed",
                "2026-11-07T10:30:00Z",
                json!({ "started_at": "2026-11-07T10:00:00Z", "committed_at": "2026-11-07T09:00:00Z" }),
            ),
            (
                "1.8",
                "deployed",
                "2026-11-07T10:20:00Z",
                json!({ "started_at": "2026-11-07T10:05:00Z", "committed_at": "2026-11-07T09:20:00Z" }),
            ),
            // Both on the 10th in UTC; in New York the first is on the 9th.
            ("2.0", "deployed", "2026-11-10T02:00:00Z", json!({})),
            ("2.1", "deployed", "2026-11-10T13:00:00Z", json!({})),
            // No success follows.
            ("2.2", "failed", "2026-11-11T20:00:00Z", json!({})),
            // None of these counts: skipped, noted, a stage, another or no environment, another component.
            ("2.2", "skipped", "2026-11-11T21:00:00Z", json!({})),
            ("2.2", "queued", "2026-11-11T21:00:00Z", json!({})),
            ("2.2", "failed", "2026-11-11T21:00:00Z", json!({ "stage": "Test" })),
            ("2.2", "deployed", "2026-11-11T21:00:00Z", json!({ "environment": "staging" })),
            ("2.2", "deployed", "2026-11-11T21:00:00Z", json!({ "environment": null })),
            ("2.2", "deployed", "2026-11-11T21:00:00Z", json!({ "component": "db" })),
        ],
    );
}

const TEN_DAYS: &str = "component=web&since=2026-11-02T05:00:00Z&until=2026-11-12T05:00:00Z";

#[test]
fn the_metrics_of_ten_days_match_a_calculation_by_hand() {
    let service = Service::start();
    ten_days(&service);
    let web = report(&service, &format!("{TEN_DAYS}&tz=America/New_York"));
    assert_eq!((&web["component"], &web["environment"]), (&json!("web"), &json!("production")));

    // Succeeded: 1.1, 1.2, 1.2, 1.3, 1.4, 1.3, 1.5, 1.6, 1.8, 1.7, 2.0, 2.1: twelve in ten days, 1.2 a day.
    assert_eq!(figures(&web[FREQUENCY]), json!([1.2, 12, 10.0, "exact"]));
    // On the 2nd (twice), 3rd, 4th, 5th, 6th, 7th, 9th and 10th.
    assert_eq!(web[FREQUENCY]["days_with_deploys"], 8);

    // Nine of the twelve have committed_at. Their lead times, in minutes, in this order: 120, 240, 930, 120, 60, 1390,
    // 30, 60, 90. Sorted: 30, 60, 60, 90, 120, 120, 240, 930, 1390: the fifth is 120 minutes, 7,200 seconds.
    assert_eq!(figures(&web[LEAD_TIME]), json!([7200.0, 9, 12, "proxy"]));

    // Of the twelve and the two that failed, 1.3 and 2.2, the failures are these two, 1.4 and 1.5: 4 of 14 are 28.571 %.
    assert_eq!(figures(&web[FAIL_RATE]), json!([28.571, 4, 14, "proxy"]));
    let reasons = ["failed", "rolled_back", "undone"].map(|reason| web[FAIL_RATE][reason].as_i64());
    assert_eq!(reasons, [Some(2), Some(1), Some(1)]);

    // 1.3 from 12:00 to 13:30, 1.4 from 10:00 to 10:40, 1.5 from 9:00 to 11:00: 90, 40 and 120 minutes, the median is
    // 90 minutes, 5,400 seconds. 2.2 has no recovery.
    assert_eq!(figures(&web[RECOVERY]), json!([5400.0, 3, 4, "proxy"]));
    assert_eq!(web[RECOVERY]["unrecovered"], 1);
    let [open] = web[RECOVERY]["newest_unrecovered"].as_array().unwrap().as_slice() else { panic!("{web}") };
    assert_eq!((&open["version"], &open["finished_at"]), (&json!("2.2"), &json!("2026-11-11T20:00:00.000000Z")));
    assert!(open["age_seconds"].as_f64().is_some_and(|age| age > 9.0 * 3600.0), "{open}");
    assert_eq!(service.read(&open["id"])["version"], "2.2");

    // Two have `unplanned`, one of them true: 1 of 14 is 7.143 %.
    assert_eq!(figures(&web[REWORK]), json!([7.143, 1, 14, "proxy"]));
    assert!(web[REWORK]["rule"].as_str().is_some_and(|rule| rule.ends_with("12 of 14")), "{web}");

    let window = json!({ "since": "2026-11-02T05:00:00.000000Z", "until": "2026-11-12T05:00:00.000000Z", "tz": "America/New_York" });
    for metric in [FREQUENCY, LEAD_TIME, FAIL_RATE, RECOVERY, REWORK] {
        assert_eq!(web[metric]["window"], window, "{metric}");
        assert_eq!(web[metric]["rule"].is_string(), web[metric]["basis"] == "proxy", "{metric}");
    }
}

#[test]
fn days_are_counted_in_the_requested_time_zone() {
    let service = Service::start();
    ten_days(&service);
    for (zone, days) in [
        // On the 2nd, 3rd (twice), 4th, 5th, 6th, 7th and 10th (twice).
        ("", 7),
        ("&tz=UTC", 7),
        ("&tz=america/new_york", 8),
        // Nine hours ahead: the second 1.2 is on the 4th, at exactly midnight, like 1.3; the others as in UTC.
        ("&tz=Asia/Tokyo", 7),
    ] {
        let web = report(&service, &format!("{TEN_DAYS}{zone}"));
        assert_eq!(web[FREQUENCY]["days_with_deploys"], days, "{zone}");
        assert_eq!(figures(&web[FREQUENCY]), json!([1.2, 12, 10.0, "exact"]), "{zone}");
    }
    // In New York the clocks were set back on the 1st: the two days had 49 hours.
    let two = "component=web&since=2026-10-31T04:00:00Z&until=2026-11-02T05:00:00Z";
    assert_eq!(report(&service, &format!("{two}&tz=America/New_York"))[FREQUENCY]["denominator"], 2.0);
    assert_eq!(report(&service, two)[FREQUENCY]["denominator"], 2.042);
}

#[test]
fn the_length_of_a_window_in_days_is_right_when_the_clocks_change() {
    let service = Service::start();
    record_deploys(&service, [("1", "deployed", "2026-11-01T06:00:00Z", json!({}))]);
    let frequency = |window: &str, zone: &str| {
        let metric = &report(&service, &format!("{window}&tz={zone}"))[FREQUENCY];
        json!([metric["value"], metric["denominator"]])
    };
    let new_york = "America/New_York";
    // From 1:45 to 1:15 after the clocks were set back: half an hour is 1/48 of a day.
    assert_eq!(frequency("since=2026-11-01T05:45:00Z&until=2026-11-01T06:15:00Z", new_york), json!([48.0, 0.021]));
    // From the first 1:30 to the second: an hour.
    assert_eq!(frequency("since=2026-11-01T05:30:00Z&until=2026-11-01T06:30:00Z", new_york), json!([24.0, 0.042]));
    // Thirty days before either 1:30, although they are an hour apart.
    for until in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
        assert_eq!(frequency(&format!("until={until}"), new_york)[1], 30.0, "{until}");
    }
    // A day of 23 hours, then the same and half a day of 24 hours.
    assert_eq!(frequency("since=2026-03-29T00:00:00Z&until=2026-03-29T23:00:00Z", "Europe/Lisbon")[1], 1.0);
    assert_eq!(frequency("since=2026-03-29T00:00:00Z&until=2026-03-30T11:00:00Z", "Europe/Lisbon")[1], 1.5);
    // 1:30 occurs twice on October 25, and the day ends at the second one: it has 25 hours.
    assert_eq!(frequency("since=2026-10-24T00:30:00Z&until=2026-10-25T01:30:00Z", "Europe/Lisbon")[1], 1.0);
    assert_eq!(frequency("since=2026-10-24T00:30:00Z&until=2026-10-25T13:30:00Z", "Europe/Lisbon")[1], 1.5);
}

#[test]
fn a_metric_that_cannot_be_computed_names_what_is_missing() {
    let service = Service::start();
    ten_days(&service);
    // Only 2.2 finished on the 11th, and it failed: no success, no lead time, no `unplanned`.
    let web = report(&service, "since=2026-11-11T00:00:00Z&until=2026-11-12T00:00:00Z&component=web");
    assert_eq!(figures(&web[FREQUENCY]), json!([0.0, 0, 1.0, "exact"]));
    assert_eq!(figures(&web[LEAD_TIME]), json!([null, 0, 0, "not computable"]));
    assert_eq!(figures(&web[FAIL_RATE]), json!([100.0, 1, 1, "proxy"]));
    assert_eq!(figures(&web[RECOVERY]), json!([null, 0, 1, "not computable"]));
    assert_eq!(web[RECOVERY]["newest_unrecovered"][0]["version"], "2.2");
    assert_eq!(figures(&web[REWORK]), json!([null, 0, 1, "not computable"]));
    for (metric, missing) in [
        (LEAD_TIME, "a succeeded deploy in the window"),
        (RECOVERY, "a success after a failure"),
        (REWORK, "unplanned, true or false, on a deploy"),
    ] {
        assert_eq!(web[metric]["missing"], missing);
    }
    // Nothing was deployed on the 8th.
    let web = report(&service, "since=2026-11-08T00:00:00Z&until=2026-11-09T00:00:00Z&component=web");
    for metric in [LEAD_TIME, FAIL_RATE, RECOVERY, REWORK] {
        assert_eq!(figures(&web[metric]), json!([null, 0, 0, "not computable"]), "{metric}");
        assert!(web[metric]["missing"].is_string(), "{metric}");
    }
}
