//! The list of deploys: order, filters, pages and invalid parameters.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ago, body_with_times, list, start, state, states, stop};
use crate::harness::{DEPLOYED, Service, deployed_with, percent_encode};

/// The versions on each page; `between` runs between two pages.
fn pages(service: &Service, query: &str, mut between: impl FnMut()) -> Vec<Vec<String>> {
    let mut target = format!("/api/deploys?{query}");
    let mut pages = Vec::new();
    loop {
        let response = service.get(&target);
        pages.push(versions(response.expect(200).as_array().unwrap()));
        assert!(pages.len() < 100, "the pages do not end: {target}");
        let Some(next) = response.next_page() else { return pages };
        assert!(next.starts_with("/api/deploys?"), "not a path from the root: {next}");
        next.clone_into(&mut target);
        between();
    }
}

fn versions(deploys: &[Value]) -> Vec<String> {
    deploys.iter().map(|deploy| deploy["version"].as_str().unwrap().to_owned()).collect()
}

/// Records a deploy of this version that finished at this time, without a start.
fn record_finished(service: &Service, version: &str, time: &str) {
    service.record(&body_with_times("deployed", ["", time], &json!({"version": version})));
}

fn record_running(service: &Service, version: &str, time: &str) {
    service.record(&body_with_times("started", [time, ""], &json!({"version": version})));
}

#[test]
fn deploys_are_ordered_by_finish_or_else_start_not_by_time_of_recording() {
    let service = Service::start();
    assert_eq!(list(&service, ""), [Value::Null; 0]);
    let now = service.record(DEPLOYED)["id"].clone();
    let backfilled = stop(&service, "10:00:00")["id"].clone();
    let long = service.record(&body_with_times("ok", ["08:00:00", "11:00:00"], &json!({})))["id"].clone();
    let superseded = start(&service, "09:00:00")["id"].clone();
    // Two at the same moment: the higher id is the newer one.
    let [one, two] = ["a", "b"].map(|version| {
        service.record(&body_with_times("started", ["10:00:00", ""], &json!({"version": version})))["id"].clone()
    });
    start(&service, "09:30:00");
    assert_eq!(
        states(&service, ""),
        [
            state("finished", &Value::Null, &now),
            state("finished", &Value::Null, &long),
            state("stale", &two, &Value::Null),
            state("stale", &one, &Value::Null),
            state("finished", &json!(7), &backfilled),
            state("superseded", &superseded, &Value::Null),
        ]
    );
}

#[test]
fn each_filter_returns_the_deploys_with_exactly_this_value() {
    let service = Service::start();
    let one = json!({
        "component": "Web & shop/ü 100%+", "version": "2.1+B#1", "owner": "Åsa 🚀", "environment": "Prod?",
        "run": "Folder/job#42",
    });
    service.record(&deployed_with(&json!({"environment": "staging"})));
    for (status, phase) in [("In Progress", "started"), ("Broken", "failed")] {
        let mut fields = one.clone();
        fields["status"] = status.into();
        let record = service.record(&deployed_with(&fields));
        fields["phase"] = phase.into();
        for (field, value) in fields.as_object().unwrap() {
            let value = value.as_str().unwrap();
            let deploys = list(&service, &format!("{field}={}", percent_encode(value)));
            assert_eq!(deploys.len(), 1, "{field}");
            assert_eq!((&deploys[0]["phase"], &deploys[0][field]), (&record["phase"], &json!(value)), "{field}");
            for other in [format!("{value} "), value.chars().skip(1).collect()] {
                if field != "phase" {
                    assert_eq!(
                        list(&service, &format!("{field}={}", percent_encode(&other))),
                        [Value::Null; 0],
                        "{field}"
                    );
                }
            }
        }
        assert_eq!(list(&service, "environment=staging&owner=ann&component=web").len(), 1);
        assert_eq!(list(&service, "environment=staging&owner=bob"), [Value::Null; 0]);
    }
    for (query, count) in [("phase=started", 0), ("phase=noted", 0), ("status=deployed&phase=failed", 0)] {
        assert_eq!(list(&service, query).len(), count, "{query}");
    }
}

#[test]
fn the_state_filter_supports_all_four_states() {
    let service = Service::start();
    record_finished(&service, "finished", "10:00:00");
    record_running(&service, "superseded", "09:00:00");
    record_running(&service, "superseded", "09:01:00");
    record_finished(&service, "superseded", "09:02:00");
    record_running(&service, "stale", "08:00:00");
    service.record(&deployed_with(&json!({"version": "running", "status": "started"})));
    for (state, expected) in [
        ("running", ["running"].as_slice()),
        ("stale", &["stale"]),
        ("superseded", &["superseded"]),
        ("finished", &["finished", "superseded"]),
    ] {
        assert_eq!(versions(&list(&service, &format!("state={state}"))), expected, "{state}");
    }
}

#[test]
fn since_includes_and_until_excludes_the_deploys_own_moment() {
    let service = Service::start();
    record_finished(&service, "late", "12:00:00");
    service.record(&body_with_times("deployed", ["09:00:00", "11:00:00"], &json!({"version": "long"})));
    record_running(&service, "runs", "10:00:00");
    let at = |clock: &str| format!("2026-01-01T{clock}Z");
    for (query, expected) in [
        (format!("since={}", at("11:00:00")), ["late", "long"].as_slice()),
        (format!("since={}", at("11:00:00.000001")), &["late"]),
        (format!("until={}", at("11:00:00")), &["runs"]),
        (format!("since={}&until={}", at("10:00:00"), at("12:00:00")), &["long", "runs"]),
        (format!("since={}&until={}", at("09:00:00"), at("10:00:00")), &[]),
        (format!("since={}&until={}", at("12:00:00"), at("10:00:00")), &[]),
        (format!("since={}", ago(TimeDelta::hours(1))), &[]),
        ("since=2026-01-01T12:00:00%2B01:00".to_owned(), &["late", "long"]),
    ] {
        assert_eq!(versions(&list(&service, &query)), expected, "{query}");
    }
}

#[test]
fn pages_are_complete_and_links_keep_the_parameters() {
    let service = Service::start();
    // Three at each moment, alternately running and finished.
    for number in 0..18 {
        let (version, time) = (number.to_string(), format!("10:00:0{}", number / 3));
        if number % 2 == 0 {
            record_running(&service, &version, &time);
        } else {
            record_finished(&service, &version, &time);
        }
        service.record(&body_with_times("deployed", ["", &time], &json!({"component": "api", "version": "api"})));
    }
    let numbers = |from: usize, step: usize| (0..18).rev().skip(from).step_by(step).map(|number| number.to_string());
    for limit in [1, 2, 5, 17, 18] {
        let pages = pages(&service, &format!("component=web&owner=ann&limit={limit}"), || ());
        assert_eq!(pages.len(), 18_usize.div_ceil(limit), "{limit}");
        assert!(pages.concat().into_iter().eq(numbers(0, 1)), "{limit} {pages:?}");
    }
    for (query, from) in [("state=finished&phase=succeeded&status=deployed", 0), ("state=stale&stages=true", 1)] {
        let all = pages(&service, &format!("component=web&limit=2&until=2026-01-02T00:00:00Z&{query}"), || ());
        assert_eq!(all.len(), 5, "{query}");
        assert!(all.concat().into_iter().eq(numbers(from, 2)), "{query} {all:?}");
    }
    let first = service.get("/api/deploys?limit=1&stages=true");
    assert_eq!(service.get(first.next_page().expect("a second page")).expect(200)[0]["stages"], json!([]));
    assert_eq!(service.get("/api/deploys?component=web&limit=18").next_page(), None);
}

#[test]
fn pages_are_stable_while_deploys_arrive_and_are_deleted() {
    let service = Service::start();
    for number in 1..=20 {
        record_finished(&service, &number.to_string(), &format!("10:00:{number:02}"));
    }
    let mut last = 21;
    let pages = pages(&service, "limit=5", || {
        service.import(&format!("{DEPLOYED}\n").repeat(3)).expect(201);
        // Delete the last deploy of the page, which the cursor names.
        last -= 5;
        let listed = list(&service, &format!("version={last}"));
        assert_eq!(service.request("DELETE", &format!("/api/{}", listed[0]["finish_id"]), &[], None).status, 204);
    });
    assert!(pages.concat().into_iter().eq((1..=20).rev().map(|number| number.to_string())), "{pages:?}");
}

#[test]
fn a_deploy_that_finishes_between_two_pages_moves_to_the_front_and_no_other_moves() {
    let service = Service::start();
    for number in 0..10 {
        record_running(&service, &number.to_string(), &format!("10:00:0{number}"));
    }
    // The first was listed already, the second was not.
    let mut finishing = ["9", "3"].into_iter();
    let pages = pages(&service, "limit=3", || {
        service.record(&deployed_with(&json!({"version": finishing.next().unwrap()})));
    });
    assert_eq!(pages.concat(), ["9", "8", "7", "6", "5", "4", "2", "1", "0"], "no deploy is listed twice");
    assert_eq!(versions(&list(&service, "limit=3")), ["3", "9", "8"]);
}

#[test]
fn all_invalid_parameters_are_listed_together() {
    let service = Service::start();
    let long = format!("stage={}", "x".repeat(1_001));
    let query = format!(
        "phase=deployed&since=yesterday&until=2026-01-01&component=a%00&owner=%ff&limit=0&cursor=x&colour=red&{long}\
         &state=over&stages=yes&status=&version=+&run=%0a&environment={}",
        "x".repeat(201)
    );
    let mut fields = service.get(&format!("/api/deploys?{query}")).bad_fields(400);
    fields.sort_unstable();
    let all = [
        "colour",
        "component",
        "cursor",
        "environment",
        "limit",
        "owner",
        "phase",
        "run",
        "since",
        "stage",
        "stages",
        "state",
        "status",
        "until",
        "version",
    ];
    assert_eq!(fields, all);
    assert_eq!(service.get("/api/deploys?state=stale&state=stale").bad_fields(400), ["state"]);
    for state in ["Running", "superseded ", "started", ""] {
        assert_eq!(
            service.get(&format!("/api/deploys?state={}", percent_encode(state))).bad_fields(400),
            ["state"],
            "{state}"
        );
    }
    for limit in ["0", "1001", "-1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(service.get(&format!("/api/deploys?limit={limit}")).bad_fields(400), ["limit"], "{limit}");
    }
}

#[test]
fn an_invalid_cursor_or_one_of_another_call_is_an_error_that_names_the_parameter() {
    let service = Service::start();
    service.import(&format!("{DEPLOYED}\n").repeat(2)).expect(201);
    let cursor_of = |path: &str| {
        let response = service.get(&format!("{path}?limit=1"));
        let link = response.header("link").expect("a link").to_owned();
        link.split_once("cursor=").unwrap().1.split('>').next().unwrap().to_owned()
    };
    let cursor = cursor_of("/api/deploys");
    assert_eq!(list(&service, &format!("cursor={cursor}")).len(), 1);
    for invalid in [&cursor_of("/api/"), "", "d", "d-", "d1-", "d1-2-3", &cursor[1..], &format!("{cursor}x"), "dzz-1"] {
        assert_eq!(service.get(&format!("/api/deploys?cursor={invalid}")).bad_fields(400), ["cursor"], "{invalid}");
    }
}

#[test]
fn the_list_is_available_only_as_json_and_only_by_get_and_head() {
    let service = Service::start();
    let csv = service.request("GET", "/api/deploys", &[("accept", "text/csv")], None);
    assert!(csv.problem(406).contains("application/json"));
    assert_eq!(service.request("HEAD", "/api/deploys", &[], None).status, 200);
    for path in ["/api/deploys", "/api/current"] {
        let refused = service.send_json("POST", path, DEPLOYED);
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
    }
}

#[test]
fn phase_started_finds_running_deploys_and_no_deploy_is_noted_or_skipped() {
    let service = Service::start();
    record_running(&service, "1", "09:00:00");
    record_finished(&service, "2", "10:00:00");
    service.record(&deployed_with(&json!({"status": "queued"})));
    assert_eq!(pages(&service, "phase=started", || ()), [["1"]]);
    assert_eq!(pages(&service, "status=started", || ()), [["1"]]);
    assert_eq!(pages(&service, "phase=succeeded", || ()), [["2"]]);
    for query in ["phase=noted", "phase=skipped", "status=queued", "phase=started&state=finished"] {
        assert!(pages(&service, query, || ())[0].is_empty(), "{query}");
    }
}

#[test]
fn a_page_with_stages_has_at_most_a_hundred_deploys() {
    let service = Service::start();
    let response = service.get("/api/deploys?stages=true&limit=101");
    assert_eq!(response.problem(400), "limit must be a number from 1 to 100 with stages");
    service.get("/api/deploys?stages=true&limit=100").expect(200);
    service.get("/api/deploys?stages=false&limit=1000").expect(200);
}
