//! The five DORA metrics, against examples worked out by hand.

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

/// Records a line for each: the version, the status, when it finished, and what else it says. To production.
fn finished<const N: usize>(service: &Service, each: [(&str, &str, &str, Value); N]) {
    let lines = each.map(|(version, status, at, more)| {
        let mut fields =
            json!({ "environment": "production", "version": version, "status": status, "finished_at": at });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
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

/// The deploys of ten days in New York, which is five hours behind UTC then.
fn ten_days(service: &Service) {
    let commit = |at: &str| json!({ "committed_at": at });
    finished(
        service,
        [
            // Before the window: only what 1.1 followed.
            ("1.0", "deployed", "2026-11-01T12:00:00Z", json!({})),
            (
                "1.1",
                "deployed",
                "2026-11-02T10:10:00Z",
                json!({ "committed_at": "2026-11-02T08:10:00Z", "unplanned": false }),
            ),
            // Across midnight in UTC, by a sender in New York, where it is half past ten in the evening of the 2nd.
            (
                "1.2",
                "deployed",
                "2026-11-02T22:30:00-05:00",
                json!({ "started_at": "2026-11-02T18:50:00-05:00", "committed_at": "2026-11-02T18:30:00-05:00" }),
            ),
            // A redeploy.
            ("1.2", "deployed", "2026-11-03T15:00:00Z", commit("2026-11-02T23:30:00Z")),
            // Fails; the record that names it counts it once; the next attempt is aborted, the one after is well.
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
            // The 10th in UTC; in New York the first of them is on the 9th.
            ("2.0", "deployed", "2026-11-10T02:00:00Z", json!({})),
            ("2.1", "deployed", "2026-11-10T13:00:00Z", json!({})),
            // Nothing succeeds after it.
            ("2.2", "failed", "2026-11-11T20:00:00Z", json!({})),
            // None of these counts: skipped, noted, of a stage, elsewhere, or of another component.
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
fn ten_days_worked_out_by_hand() {
    let service = Service::start();
    ten_days(&service);
    let web = report(&service, &format!("{TEN_DAYS}&tz=America/New_York"));
    assert_eq!((&web["component"], &web["environment"]), (&json!("web"), &json!("production")));

    // Succeeded: 1.1, 1.2, 1.2, 1.3, 1.4, 1.3, 1.5, 1.6, 1.8, 1.7, 2.0, 2.1: twelve in ten days, 1.2 a day.
    assert_eq!(figures(&web[FREQUENCY]), json!([1.2, 12, 10.0, "exact"]));
    // On the 2nd (twice), 3rd, 4th, 5th, 6th, 7th, 9th and 10th.
    assert_eq!(web[FREQUENCY]["days_with_deploys"], 8);

    // Nine of the twelve say committed_at. Their lead times, in minutes, in this order: 120, 240, 930, 120, 60, 1390,
    // 30, 60, 90. Sorted: 30, 60, 60, 90, 120, 120, 240, 930, 1390: the fifth is 120 minutes, 7,200 seconds.
    assert_eq!(figures(&web[LEAD_TIME]), json!([7200.0, 9, 12, "proxy"]));

    // The twelve and the two that failed, 1.3 and 2.2. Failures are these two, 1.4 and 1.5: 4 of 14 are 28.571 %.
    assert_eq!(figures(&web[FAIL_RATE]), json!([28.571, 4, 14, "proxy"]));
    let reasons = ["failed", "rolled_back", "undone"].map(|reason| web[FAIL_RATE][reason].as_i64());
    assert_eq!(reasons, [Some(2), Some(1), Some(1)]);

    // 1.3 from 12:00 to 13:30, 1.4 from 10:00 to 10:40, 1.5 from 9:00 to 11:00: 90, 40 and 120 minutes, the median is
    // 90 minutes, 5,400 seconds. 2.2 is not recovered from.
    assert_eq!(figures(&web[RECOVERY]), json!([5400.0, 3, 4, "proxy"]));
    assert_eq!(web[RECOVERY]["unrecovered"], 1);
    let [open] = web[RECOVERY]["newest_unrecovered"].as_array().unwrap().as_slice() else { panic!("{web}") };
    assert_eq!((&open["version"], &open["finished_at"]), (&json!("2.2"), &json!("2026-11-11T20:00:00.000000Z")));
    assert!(open["age_seconds"].as_f64().is_some_and(|age| age > 9.0 * 3600.0), "{open}");
    assert_eq!(service.read(&open["id"])["version"], "2.2");

    // Two say unplanned, one of them that it is: 1 of 14 are 7.143 %.
    assert_eq!(figures(&web[REWORK]), json!([7.143, 1, 14, "proxy"]));
    assert!(web[REWORK]["rule"].as_str().is_some_and(|rule| rule.ends_with("12 of 14")), "{web}");

    let window = json!({ "since": "2026-11-02T05:00:00.000000Z", "until": "2026-11-12T05:00:00.000000Z", "tz": "America/New_York" });
    for metric in [FREQUENCY, LEAD_TIME, FAIL_RATE, RECOVERY, REWORK] {
        assert_eq!(web[metric]["window"], window, "{metric}");
        assert_eq!(web[metric]["rule"].is_string(), web[metric]["basis"] == "proxy", "{metric}");
    }
}

#[test]
fn days_are_counted_in_the_time_zone_that_is_asked_for() {
    let service = Service::start();
    ten_days(&service);
    for (zone, days) in [
        // On the 2nd, 3rd (twice), 4th, 5th, 6th, 7th and 10th (twice).
        ("", 7),
        ("&tz=UTC", 7),
        ("&tz=america/new_york", 8),
        // Nine hours ahead: 1.2 again on the 4th, at midnight sharp, with 1.3; the others as in UTC.
        ("&tz=Asia/Tokyo", 7),
    ] {
        let web = report(&service, &format!("{TEN_DAYS}{zone}"));
        assert_eq!(web[FREQUENCY]["days_with_deploys"], days, "{zone}");
        assert_eq!(figures(&web[FREQUENCY]), json!([1.2, 12, 10.0, "exact"]), "{zone}");
    }
    // In New York the clocks went back on the 1st: the two days there had 49 hours.
    let two = "component=web&since=2026-10-31T04:00:00Z&until=2026-11-02T05:00:00Z";
    assert_eq!(report(&service, &format!("{two}&tz=America/New_York"))[FREQUENCY]["denominator"], 2.0);
    assert_eq!(report(&service, two)[FREQUENCY]["denominator"], 2.042);
}

#[test]
fn a_window_has_days_also_where_the_clocks_go_back_or_forth() {
    let service = Service::start();
    finished(&service, [("1", "deployed", "2026-11-01T06:00:00Z", json!({}))]);
    let frequency = |window: &str, zone: &str| {
        let metric = &report(&service, &format!("{window}&tz={zone}"))[FREQUENCY];
        json!([metric["value"], metric["denominator"]])
    };
    let new_york = "America/New_York";
    // From a quarter to two till a quarter past one, when the clocks had gone back: half an hour is 1/48 of a day.
    assert_eq!(frequency("since=2026-11-01T05:45:00Z&until=2026-11-01T06:15:00Z", new_york), json!([48.0, 0.021]));
    // From half past one till half past one: an hour.
    assert_eq!(frequency("since=2026-11-01T05:30:00Z&until=2026-11-01T06:30:00Z", new_york), json!([24.0, 0.042]));
    // The thirty days before either half past one, though it is an hour from one to the other.
    for until in ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
        assert_eq!(frequency(&format!("until={until}"), new_york)[1], 30.0, "{until}");
    }
    // A day of 23 hours, and the half of one of 24.
    assert_eq!(frequency("since=2026-03-29T00:00:00Z&until=2026-03-29T23:00:00Z", "Europe/Lisbon")[1], 1.0);
    assert_eq!(frequency("since=2026-03-29T00:00:00Z&until=2026-03-30T11:00:00Z", "Europe/Lisbon")[1], 1.5);
}

#[test]
fn what_cannot_be_computed_says_what_is_missing() {
    let service = Service::start();
    ten_days(&service);
    // Since 2.1 nothing but 2.2 finished, which failed: no success, no lead time, and nobody said unplanned.
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
    // On the 8th there was nothing at all.
    let web = report(&service, "since=2026-11-08T00:00:00Z&until=2026-11-09T00:00:00Z&component=web");
    for metric in [LEAD_TIME, FAIL_RATE, RECOVERY, REWORK] {
        assert_eq!(figures(&web[metric]), json!([null, 0, 0, "not computable"]), "{metric}");
        assert!(web[metric]["missing"].is_string(), "{metric}");
    }
}
