//! `/api/durations`: durations of deploys and stages, compared with examples calculated by hand.

use serde_json::{Value, json};

use crate::harness::{Service, deployed_with};

const WINDOW: &str = "since=2026-11-02T00:00:00Z&until=2026-11-09T00:00:00Z";

/// A record that finished at this time of November after this many seconds, or without a start.
fn finish(seconds: Option<u32>, at: &str, further: &Value) -> String {
    let finished: chrono::DateTime<chrono::Utc> = format!("2026-11-{at}Z").parse().unwrap();
    let mut fields = json!({ "finished_at": finished.to_rfc3339() });
    if let Some(seconds) = seconds {
        fields["started_at"] = json!((finished - chrono::TimeDelta::seconds(seconds.into())).to_rfc3339());
    }
    fields.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    deployed_with(&fields)
}

/// Records twelve deploys that succeeded in the week, and others that do not count.
fn week(service: &Service) {
    let none = json!({});
    let lines = [
        // In any order. The first started before the week and finished in it.
        finish(Some(100), "02T00:00:30", &none),
        finish(Some(30), "03T10:00:00", &none),
        finish(Some(10), "03T11:00:00", &none),
        // A redeploy, a rollback and a hotfix count like other deploys.
        finish(Some(20), "03T11:10:00", &none),
        finish(Some(50), "04T09:00:00", &(json!({ "version": "2.0" }))),
        finish(Some(40), "04T10:00:00", &(json!({ "unplanned": true, "version": "2.1.1" }))),
        // Two that overlap.
        finish(Some(80), "05T10:00:30", &none),
        finish(Some(60), "05T10:00:20", &none),
        // Across midnight in UTC, but not in the sender's time zone.
        finish(
            None,
            "07T00:00:10",
            &(json!({ "started_at": "2026-11-06T18:58:40-05:00", "finished_at": "2026-11-06T19:00:10-05:00" })),
        ),
        finish(Some(70), "08T23:59:59", &none),
        // Without a duration: no start, or a start after the finish.
        finish(None, "08T12:00:00", &(json!({ "version": "lone" }))),
        finish(None, "08T13:00:00", &(json!({ "version": "back", "started_at": "2026-11-08T14:00:00Z" }))),
        // These did not succeed.
        finish(Some(7000), "05T12:00:00", &(json!({ "status": "failed" }))),
        finish(Some(8000), "05T13:00:00", &(json!({ "status": "aborted" }))),
        finish(Some(9000), "05T14:00:00", &(json!({ "status": "done" }))),
        finish(Some(9999), "05T15:00:00", &(json!({ "status": "skipped" }))),
        // In the week before; `earlier` below is the other one there.
        finish(Some(1000), "01T23:59:59", &none),
        // Two stages, one of them not built in its second attempt.
        finish(Some(5), "06T10:00:00", &(json!({ "stage": "Build" }))),
        finish(Some(15), "06T11:00:00", &(json!({ "stage": "Build" }))),
        finish(Some(3), "06T12:00:00", &(json!({ "stage": "Test" }))),
        finish(Some(6000), "06T12:30:00", &(json!({ "stage": "Test", "status": "not_built" }))),
        // After the week.
        finish(Some(6000), "09T00:00:00", &none),
    ];
    service.import(&lines.join("\n")).expect(201);
    let earlier = json!({ "started_at": "2026-10-25T23:26:40Z", "finished_at": "2026-10-26T00:00:00Z" });
    let too_early = json!({ "started_at": "2026-10-25T23:00:00Z", "finished_at": "2026-10-25T23:59:59Z" });
    service.import(&[deployed_with(&earlier), deployed_with(&too_early)].join("\n")).expect(201);
}

fn figures(count: i64, without: i64, seconds: Option<[f64; 5]>) -> Value {
    let [p50, p90, p95, max, mean] = seconds.map_or([const { Value::Null }; 5], |seconds| seconds.map(|n| json!(n)));
    json!({
        "count": count, "without_duration": without, "waited_count": 0, "p50_seconds": p50, "p90_seconds": p90,
        "p95_seconds": p95, "max_seconds": max, "mean_seconds": mean
    })
}

#[test]
fn the_durations_of_a_week_match_a_calculation_by_hand() {
    let service = Service::start();
    week(&service);
    let report = service.get(&format!("/api/durations?{WINDOW}")).expect(200);
    // 10, 20, … 100 seconds, and two without a duration. Percentiles are interpolated linearly: of ten values p50 is at
    // position 1 + 9 × 0.5 = 5.5, half way from 50 to 60; p90 at 1 + 9 × 0.9 = 9.1, a tenth of the way from 90 to 100;
    // p95 at 1 + 9 × 0.95 = 9.55. The mean is 550 / 10.
    let week = figures(12, 2, Some([55.0, 91.0, 95.5, 100.0, 55.0]));
    // 1,000 and 2,000 seconds: positions 1.5, 1.9 and 1.95.
    let before = figures(2, 0, Some([1500.0, 1900.0, 1950.0, 2000.0, 1500.0]));
    let expected = json!({
        "by": "component",
        "window": { "since": "2026-11-02T00:00:00.000000Z", "until": "2026-11-09T00:00:00.000000Z" },
        "before": { "since": "2026-10-26T00:00:00.000000Z", "until": "2026-11-02T00:00:00.000000Z" },
        "groups": [{ "name": "web", "window": week, "before": before }]
    });
    assert_eq!(report, expected);
}

#[test]
fn durations_can_be_grouped_by_each_of_five_fields() {
    let service = Service::start();
    week(&service);
    service
        .import(&finish(Some(7), "05T10:00:00", &json!({ "component": "db", "environment": "test", "owner": "bob" })))
        .expect(201);
    let none = || figures(0, 0, None);
    let one = |seconds: f64| figures(1, 0, Some([seconds; 5]));
    let groups = |query: &str| service.get(&format!("/api/durations?{WINDOW}&{query}")).expect(200)["groups"].clone();
    let names = |by: &str| {
        let groups = groups(&format!("by={by}"));
        groups.as_array().unwrap().iter().map(|group| group["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("component"), ["db", "web"]);
    assert_eq!(names("owner"), ["ann", "bob"]);
    assert_eq!(names("environment"), [json!("test"), Value::Null]);
    assert_eq!(names("version"), ["2.0", "2.1", "2.1.1", "back", "lone"]);
    assert_eq!(groups("by=version&component=db"), json!([{ "name": "2.1", "window": one(7.0), "before": none() }]));
    assert_eq!(groups("by=owner&environment=test"), json!([{ "name": "bob", "window": one(7.0), "before": none() }]));
    // A deploy without a duration is counted, but not as 0 seconds.
    let versions = groups("by=version&component=web");
    assert_eq!(versions[4], json!({ "name": "lone", "window": figures(1, 1, None), "before": none() }));
    // 5 and 15 seconds: positions 1.5, 1.9 and 1.95.
    let build = figures(2, 0, Some([10.0, 14.0, 14.5, 15.0, 10.0]));
    let stages = json!([
        { "name": "Build", "window": build, "before": none() },
        { "name": "Test", "window": one(3.0), "before": none() }
    ]);
    assert_eq!(groups("by=stage"), stages);
    assert_eq!(groups("by=stage&component=web"), stages);
    assert_eq!(groups("by=stage&component=db"), json!([]));
}

#[test]
fn a_stage_without_an_environment_counts_in_every_environment() {
    let service = Service::start();
    let stage = |seconds: u32, stage: &str, environment: Option<&str>| {
        finish(Some(seconds), "05T10:00:00", &json!({ "stage": stage, "environment": environment }))
    };
    let lines = [
        stage(10, "Build", None),
        stage(20, "Deploy", Some("production")),
        stage(30, "Deploy", Some("staging")),
        finish(Some(40), "05T10:00:00", &json!({})),
    ];
    service.import(&lines.join("\n")).expect(201);
    let maxima = |query: &str| -> Vec<[Value; 2]> {
        let report = service.get(&format!("/api/durations?{WINDOW}&{query}")).expect(200);
        let groups = report["groups"].as_array().unwrap().iter();
        groups.map(|group| [group["name"].clone(), group["window"]["max_seconds"].clone()]).collect()
    };
    assert_eq!(
        maxima("by=stage&environment=production"),
        [[json!("Build"), json!(10.0)], [json!("Deploy"), json!(20.0)]]
    );
    assert_eq!(maxima("by=stage&environment=staging&component=web")[1], [json!("Deploy"), json!(30.0)]);
    assert_eq!(maxima("by=stage&environment=test"), [[json!("Build"), json!(10.0)]]);
    assert!(maxima("environment=production").is_empty(), "a deploy without an environment");
}

#[test]
fn stages_with_long_names_and_equal_durations_count_like_others() {
    let service = Service::start();
    let long = "é".repeat(1_000);
    let stage = |seconds: Option<u32>, stage: &str| finish(seconds, "05T10:00:00", &json!({ "stage": stage }));
    let seconds = [10, 10, 10, 10, 20, 20, 30];
    let mut lines: Vec<_> = seconds.iter().map(|seconds| stage(Some(*seconds), "Build")).collect();
    lines.extend(seconds.iter().map(|seconds| stage(Some(*seconds), &long)));
    lines.extend([stage(None, &long), stage(None, "Lone")]);
    service.import(&lines.join("\n")).expect(201);
    // Of seven values p90 is at position 1 + 6 × 0.9 = 6.4, p95 at 6.7. The mean is 110 / 7.
    let seconds = Some([10.0, 24.0, 27.0, 30.0, 15.714]);
    let expected = [("Build", figures(7, 0, seconds)), ("Lone", figures(1, 1, None)), (&long, figures(8, 1, seconds))];
    let groups =
        expected.map(|(name, window)| json!({ "name": name, "window": window, "before": figures(0, 0, None) }));
    for query in ["", "&component=web"] {
        let report = service.get(&format!("/api/durations?{WINDOW}&by=stage{query}")).expect(200);
        assert_eq!(report["groups"], json!(groups), "{query}");
    }
}

#[test]
fn work_is_the_duration_without_what_was_waited() {
    let service = Service::start();
    let waited = |seconds: f64| json!({ "waited_seconds": seconds });
    let stage = json!({ "stage": "Build", "waited_seconds": 0.1 });
    let lines = [
        finish(Some(100), "02T10:00:00", &waited(40.0)),
        // It says that it waited longer than it took.
        finish(Some(50), "03T10:00:00", &waited(60.0)),
        finish(Some(80), "04T10:00:00", &json!({})),
        // Without a start.
        finish(None, "05T10:00:00", &json!({ "version": "a", "waited_seconds": 5 })),
        finish(None, "06T10:00:00", &json!({ "version": "b" })),
        finish(Some(70), "06T11:00:00", &json!({ "status": "failed", "waited_seconds": 70 })),
        finish(Some(30), "01T10:00:00", &waited(10.0)),
        finish(Some(20), "06T12:00:00", &stage),
        finish(Some(20), "06T12:00:00", &json!({ "stage": "Test" })),
    ];
    service.import(&lines.join("\n")).expect(201);
    let report = |query: &str| service.get(&format!("/api/durations?{WINDOW}&{query}")).expect(200)["groups"].clone();
    let with_count = |mut figures: Value, waited: u32| {
        figures["waited_count"] = json!(waited);
        figures
    };
    // 50, 80 and 100 seconds took 0, 80 and 60 seconds of work. Of three values p90 is at position 1 + 2 × 0.9 = 2.8.
    for (of, week, before) in [
        ("duration", [80.0, 96.0, 98.0, 100.0, 76.667], 30.0),
        ("work", [60.0, 76.0, 78.0, 80.0, 46.667], 20.0),
        ("waited", [40.0, 56.0, 58.0, 60.0, 35.0], 10.0),
    ] {
        let week = with_count(figures(5, 2, Some(week)), 3);
        let before = with_count(figures(1, 0, Some([before; 5])), 1);
        let expected = json!([{ "name": "web", "window": week, "before": before }]);
        assert_eq!(report(&format!("of={of}")), expected, "{of}");
    }
    assert_eq!(report("of=duration"), report(""));
    let stages = [("duration", Some(20.0), Some(20.0)), ("work", Some(19.9), Some(20.0)), ("waited", Some(0.1), None)];
    for (of, build, test) in stages {
        let stage = |name: &str, seconds: Option<f64>, waited: u32| {
            let window = with_count(figures(1, 0, seconds.map(|seconds| [seconds; 5])), waited);
            json!({ "name": name, "window": window, "before": figures(0, 0, None) })
        };
        assert_eq!(report(&format!("by=stage&of={of}")), json!([stage("Build", build, 1), stage("Test", test, 0)]));
    }
    let first = service.get("/api/durations?by=version&of=waited&limit=1&until=2026-11-09T00:00:00Z");
    assert!(first.next_page().is_some_and(|next| next.contains("of=waited")), "{first:?}");
}

#[test]
fn the_pages_contain_every_name_once_and_links_keep_the_window() {
    let service = Service::start();
    let versions = ["1", "2 & ü", "3", "4", "5"];
    for version in versions {
        service.record(&deployed_with(&json!({ "version": version, "environment": "é/1" })));
    }
    service.record(&deployed_with(&json!({ "environment": null })));
    for (first, expected) in [
        ("/api/durations?by=version&component=web&environment=%C3%A9%2F1&days=2&limit=2", json!(versions)),
        ("/api/durations?by=environment&limit=1", json!(["é/1", null])),
    ] {
        let (mut names, mut windows, mut target) = (Vec::new(), Vec::new(), Some(first.to_owned()));
        while let Some(this) = target {
            let response = service.get(&this);
            let report = response.expect(200);
            names.extend(report["groups"].as_array().unwrap().iter().map(|group| group["name"].clone()));
            windows.push(report["window"].clone());
            assert!(windows.len() < 10, "the pages do not end: {this}");
            target = response.next_page().map(str::to_owned);
        }
        assert_eq!(json!(names), expected, "{first}");
        assert!(windows.len() > 1 && windows.iter().all(|window| *window == windows[0]), "{windows:?}");
    }
}

#[test]
fn all_invalid_parameters_are_listed_together() {
    let service = Service::start();
    let query = "by=run&of=rest&component=a%00&environment=&days=367&since=x&until=y&limit=1001&cursor=7&tz=UTC";
    let mut fields = service.get(&format!("/api/durations?{query}")).bad_fields(400);
    fields.sort_unstable();
    assert_eq!(fields, ["by", "component", "cursor", "days", "environment", "limit", "of", "since", "tz", "until"]);
    assert_eq!(service.get("/api/durations?since=2999-01-01T00:00:00Z").bad_fields(400), ["since"]);
    service.request("GET", "/api/durations", &[("accept", "text/csv")], None).problem(406);
    assert_eq!(service.get("/api/durations").expect(200)["groups"], json!([]));
}
