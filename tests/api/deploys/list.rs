//! The list of deploys: order, filters, pages, and parameters that are refused.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ago, list, said, start, state, states, stop};
use crate::harness::{DEPLOYED, Response, Service, deployed_with, percent_encode};

/// The next page's target.
fn next(response: &Response) -> Option<String> {
    let link = response.header("link")?;
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="next""#)).expect("a link");
    assert!(next.starts_with("/api/deploys?"), "no path from the root: {next}");
    Some(next.to_owned())
}

/// The versions on the pages from this one on, and what happens between them.
fn pages(service: &Service, query: &str, mut between: impl FnMut()) -> Vec<Vec<String>> {
    let mut target = format!("/api/deploys?{query}");
    let mut pages = Vec::new();
    loop {
        let response = service.get(&target);
        pages.push(versions(response.expect(200).as_array().unwrap()));
        assert!(pages.len() < 100, "a page is its own next: {target}");
        let Some(next) = next(&response) else { return pages };
        target = next;
        between();
    }
}

fn versions(deploys: &[Value]) -> Vec<String> {
    deploys.iter().map(|deploy| deploy["version"].as_str().unwrap().to_owned()).collect()
}

/// Records a deploy of this version that finished then.
fn finished(service: &Service, version: &str, time: &str) {
    service.record(&said("deployed", ["", time], &json!({"version": version})));
}

fn running(service: &Service, version: &str, time: &str) {
    service.record(&said("started", [time, ""], &json!({"version": version})));
}

#[test]
fn deploys_are_ordered_by_when_they_finished_or_else_started_and_not_by_when_they_were_recorded() {
    let service = Service::start();
    assert_eq!(list(&service, ""), [Value::Null; 0]);
    let now = service.record(DEPLOYED)["id"].clone();
    let backfilled = stop(&service, "10:00:00")["id"].clone();
    let long = service.record(&said("ok", ["08:00:00", "11:00:00"], &json!({})))["id"].clone();
    let superseded = start(&service, "09:00:00")["id"].clone();
    // Two at one moment: the higher id is the newer.
    let [one, two] = ["a", "b"]
        .map(|version| service.record(&said("started", ["10:00:00", ""], &json!({"version": version})))["id"].clone());
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
fn each_filter_answers_the_deploys_that_have_exactly_this() {
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
fn the_filter_by_state_takes_each_of_the_four() {
    let service = Service::start();
    finished(&service, "finished", "10:00:00");
    running(&service, "superseded", "09:00:00");
    running(&service, "superseded", "09:01:00");
    finished(&service, "superseded", "09:02:00");
    running(&service, "stale", "08:00:00");
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
fn since_and_until_bound_the_deploys_own_moments_the_first_inclusive_the_second_not() {
    let service = Service::start();
    finished(&service, "late", "12:00:00");
    service.record(&said("deployed", ["09:00:00", "11:00:00"], &json!({"version": "long"})));
    running(&service, "runs", "10:00:00");
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
fn pages_follow_each_other_and_keep_what_was_asked() {
    let service = Service::start();
    // Three at each moment, running and finished by turns.
    for number in 0..18 {
        let (version, time) = (number.to_string(), format!("10:00:0{}", number / 3));
        if number % 2 == 0 {
            running(&service, &version, &time);
        } else {
            finished(&service, &version, &time);
        }
        service.record(&said("deployed", ["", &time], &json!({"component": "api", "version": "api"})));
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
    let second = next(&service.get("/api/deploys?limit=1&stages=true")).expect("a second page");
    assert_eq!(service.get(&second).expect(200)[0]["stages"], json!([]));
    assert_eq!(next(&service.get("/api/deploys?component=web&limit=18")), None);
}

#[test]
fn pages_are_stable_while_deploys_arrive_and_go() {
    let service = Service::start();
    for number in 1..=20 {
        finished(&service, &number.to_string(), &format!("10:00:{number:02}"));
    }
    let mut last = 21;
    let pages = pages(&service, "limit=5", || {
        service.import(&format!("{DEPLOYED}\n").repeat(3)).expect(201);
        // The one that the cursor stands behind.
        last -= 5;
        let listed = list(&service, &format!("version={last}"));
        assert_eq!(service.request("DELETE", &format!("/api/{}", listed[0]["finish_id"]), &[], None).status, 204);
    });
    assert!(pages.concat().into_iter().eq((1..=20).rev().map(|number| number.to_string())), "{pages:?}");
}

#[test]
fn a_deploy_that_finishes_between_two_pages_moves_to_the_front_and_the_others_stay_where_they_are() {
    let service = Service::start();
    for number in 0..10 {
        running(&service, &number.to_string(), &format!("10:00:0{number}"));
    }
    // One that is told already, then one that is not.
    let mut done = ["9", "3"].into_iter();
    let pages = pages(&service, "limit=3", || {
        service.record(&deployed_with(&json!({"version": done.next().unwrap()})));
    });
    assert_eq!(pages.concat(), ["9", "8", "7", "6", "5", "4", "2", "1", "0"], "none twice");
    assert_eq!(versions(&list(&service, "limit=3")), ["3", "9", "8"]);
}

#[test]
fn every_parameter_that_cannot_be_as_it_is_is_named_at_once() {
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
fn a_cursor_of_another_call_or_of_none_is_an_error_that_names_it() {
    let service = Service::start();
    service.import(&format!("{DEPLOYED}\n").repeat(2)).expect(201);
    let cursor_of = |path: &str| {
        let response = service.get(&format!("{path}?limit=1"));
        let link = response.header("link").expect("a link").to_owned();
        link.split_once("cursor=").unwrap().1.split('>').next().unwrap().to_owned()
    };
    let cursor = cursor_of("/api/deploys");
    assert_eq!(list(&service, &format!("cursor={cursor}")).len(), 1);
    for none in [&cursor_of("/api/"), "", "d", "d-", "d1-", "d1-2-3", &cursor[1..], &format!("{cursor}x"), "dzz-1"] {
        assert_eq!(service.get(&format!("/api/deploys?cursor={none}")).bad_fields(400), ["cursor"], "{none}");
    }
}

#[test]
fn the_list_is_there_as_json_by_get_and_head_alone() {
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
fn the_filter_for_what_started_finds_what_runs_and_no_deploy_has_a_phase_that_no_clock_has() {
    let service = Service::start();
    running(&service, "1", "09:00:00");
    finished(&service, "2", "10:00:00");
    service.record(&deployed_with(&json!({"status": "queued"})));
    assert_eq!(pages(&service, "phase=started", || ()), [["1"]]);
    assert_eq!(pages(&service, "status=started", || ()), [["1"]]);
    assert_eq!(pages(&service, "phase=succeeded", || ()), [["2"]]);
    for nothing in ["phase=noted", "phase=skipped", "status=queued", "phase=started&state=finished"] {
        assert!(pages(&service, nothing, || ())[0].is_empty(), "{nothing}");
    }
}

#[test]
fn with_stages_a_page_is_shorter() {
    let service = Service::start();
    let response = service.get("/api/deploys?stages=true&limit=101");
    assert_eq!(response.problem(400), "limit must be a number from 1 to 100 with stages");
    service.get("/api/deploys?stages=true&limit=100").expect(200);
    service.get("/api/deploys?stages=false&limit=1000").expect(200);
}
