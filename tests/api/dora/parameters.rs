//! Components, windows, pages and invalid parameters of the DORA report.

use serde_json::{Value, json};

use super::{FREQUENCY, record_deploys, report};
use crate::harness::{Response, Service, deployed_with};

fn components(response: &Response) -> Vec<String> {
    let report = response.expect(200);
    let all = report["components"].as_array().unwrap().iter();
    all.map(|each| each["component"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_pages_contain_every_component_that_was_ever_deployed_to_the_environment() {
    let service = Service::start();
    let names = ["api", "Web & shop/ü", "db", "edge", "front"];
    for name in names {
        record_deploys(&service, [("1", "deployed", "2020-01-01T00:00:00Z", json!({ "component": name }))]);
    }
    record_deploys(
        &service,
        [("1", "deployed", "2020-01-01T00:00:00Z", json!({ "component": "e2", "environment": "test" }))],
    );
    service.record(&deployed_with(&json!({ "component": "e1", "environment": "production", "status": "started" })));
    let whole = components(&service.get("/api/dora"));
    let mut sorted = whole.clone();
    sorted.sort_unstable();
    let mut wanted = names.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    let mut target = "/api/dora?limit=2&days=7&tz=Europe/Lisbon&environment=production".to_owned();
    let (mut pages, mut windows) = (Vec::new(), Vec::new());
    loop {
        let response = service.get(&target);
        pages.push(components(&response));
        windows.push(response.json()["components"][0][FREQUENCY]["window"].clone());
        let Some(next) = response.next_page() else { break };
        assert!(pages.len() < 10, "the pages do not end: {target}");
        target = next.to_owned();
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), whole);
    assert!(windows.iter().all(|window| *window == windows[0]), "{windows:?}");
    assert_eq!(windows[0]["tz"], "Europe/Lisbon");
    assert_eq!(components(&service.get("/api/dora?environment=test")), ["e2"]);
    assert_eq!(components(&service.get("/api/dora?environment=nowhere")), [] as [&str; 0]);
}

#[test]
fn the_default_window_is_the_last_thirty_days() {
    let service = Service::start();
    let just_now = service.record(&deployed_with(&json!({ "environment": "production" })));
    let web = report(&service, "");
    let window = &web[FREQUENCY]["window"];
    assert_eq!((&web[FREQUENCY]["numerator"], &web[FREQUENCY]["denominator"]), (&json!(1), &json!(30.0)));
    assert!(window["until"].as_str() > just_now["finished_at"].as_str(), "{web}");
    for (query, days) in
        [("days=1", json!(1.0)), ("days=366", json!(366.0)), ("until=2026-01-31T00:00:00Z", json!(30.0))]
    {
        assert_eq!(report(&service, query)[FREQUENCY]["denominator"], days, "{query}");
    }
    // since ≤ t < until.
    let at = just_now["finished_at"].as_str().unwrap();
    for (query, count) in [(format!("since={at}"), 1), (format!("until={at}"), 0)] {
        assert_eq!(report(&service, &query)[FREQUENCY]["numerator"], count, "{query}");
    }
}

#[test]
fn all_invalid_parameters_are_listed_together() {
    let service = Service::start();
    let bad = |query: &str| {
        let mut fields = service.get(&format!("/api/dora?{query}")).bad_fields(400);
        fields.sort_unstable();
        fields
    };
    let all = "component=a%00&environment=&tz=Mars/Base&cursor=x&limit=0&days=0&since=then&until=2026&colour=red";
    let names = ["colour", "component", "cursor", "days", "environment", "limit", "since", "tz", "until"];
    assert_eq!(bad(all), names);
    for zone in ["Nowhere", "EST5EDT4", "UTC+3", "X3", "+02:00", "posix/UTC", "'", "Europe"] {
        assert_eq!(bad(&format!("tz={}", crate::harness::percent_encode(zone))), ["tz"], "{zone}");
    }
    for days in ["367", "-1", "1.5", "x", "99999999999"] {
        assert_eq!(bad(&format!("days={days}")), ["days"], "{days}");
    }
    assert_eq!(bad("days=3&since=2026-01-01T00:00:00Z"), ["days"]);
    assert_eq!(bad("since=2026-01-02T00:00:00Z&until=2026-01-02T00:00:00Z"), ["since"]);
    assert_eq!(bad("since=9999-01-01T00:00:00Z"), ["since"]);
    assert_eq!(bad("since=0000-01-01T00:00:00Z"), ["since"]);
    assert_eq!(bad("since=2025-01-01T00:00:00Z&until=2026-01-03T00:00:00Z"), ["since"]);
    let csv = service.request("GET", "/api/dora", &[("accept", "text/csv")], None);
    csv.problem(406);
    assert_eq!(service.request("POST", "/api/dora", &[], Some("")).header("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(service.get("/api/dora").expect(200)["components"], Value::Array(Vec::new()));
}
