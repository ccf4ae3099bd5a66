//! The list of records: order, filters, limits and invalid parameters.

mod csv;
mod export;
mod pages;
mod rare;

use serde_json::{Value, json};

use crate::harness::{DEPLOYED, Service, deployed_with, percent_encode};

/// Posts records with these fields and returns them as stored.
fn record_all<const N: usize>(service: &Service, each: [Value; N]) -> [Value; N] {
    each.map(|fields| service.record(&deployed_with(&fields)))
}

fn list(service: &Service, query: &str) -> Vec<Value> {
    service.get(&format!("/api/?{query}")).expect(200).as_array().expect("an array").clone()
}

/// Imports this many equal records in one body.
fn import(service: &Service, count: usize) {
    service.import(&format!("{DEPLOYED}\n").repeat(count)).expect(201);
}

#[test]
fn the_list_is_a_json_array_newest_first() {
    let service = Service::start();
    let response = service.get("/api/");
    assert_eq!((response.expect(200), response.header("content-type")), (json!([]), Some("application/json")));
    let mut records = record_all(&service, [json!({}), json!({ "status": "queued" }), json!({ "version": "3" })]);
    import(&service, 3);
    records.reverse();
    let listed = list(&service, "");
    assert_eq!(listed[3..], records);
    let ids: Vec<_> = listed.iter().map(|record| record["id"].as_i64()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
}

#[test]
fn each_filter_matches_its_value_exactly() {
    let service = Service::start();
    let one = json!({
        "component": "Web & shop/ü 100%+", "version": "2.1+B#1", "owner": "Åsa 🚀", "status": "In Progress",
        "environment": "Prod?", "run": "Folder/job#42", "stage": "Deploy / eu=west;1"
    });
    let [_, expected, _] =
        record_all(&service, [json!({ "environment": "staging" }), one.clone(), json!({ "run": "a" })]);
    for (field, value) in one.as_object().unwrap() {
        let value = value.as_str().unwrap();
        assert_eq!(json!(list(&service, &format!("{field}={}", percent_encode(value)))), json!([expected]), "{field}");
        let shorter: String = value.chars().skip(1).collect();
        for other in [value.to_lowercase(), format!("{value} "), shorter] {
            assert_eq!(
                list(&service, &format!("{field}={}", percent_encode(&other))),
                [] as [Value; 0],
                "{field} {other}"
            );
        }
    }
    assert_eq!(list(&service, "status=In+Progress&run=Folder/job%2342"), [expected]);
}

#[test]
fn the_phase_filter_accepts_every_phase() {
    let service = Service::start();
    let words = ["begun", "live", "broken", "killed", "done", "no-op", "queued"];
    let records = record_all(&service, words.map(|status| json!({ "status": status })));
    let phases = ["started", "succeeded", "failed", "aborted", "finished", "skipped", "noted"];
    for (phase, record) in phases.into_iter().zip(records) {
        assert_eq!(list(&service, &format!("phase={phase}")), [record], "{phase}");
    }
}

#[test]
fn a_record_must_match_all_given_filters() {
    let service = Service::start();
    let [both, ..] = record_all(
        &service,
        [
            json!({ "owner": "bob", "environment": "production" }),
            json!({ "owner": "bob" }),
            json!({ "environment": "production" }),
        ],
    );
    assert_eq!(list(&service, "environment=production&owner=bob&component=web"), [both]);
    assert_eq!(list(&service, "environment=production&owner=bob&component=db"), [] as [Value; 0]);
}

#[test]
fn since_is_inclusive_and_until_is_exclusive() {
    let service = Service::start();
    let long_ago = json!({ "started_at": "2001-01-01T00:00:00Z", "finished_at": "2001-01-01T00:01:00Z" });
    let [first, second, third] = record_all(&service, [long_ago, json!({}), json!({})]);
    let recorded_at = |record: &Value| record["recorded_at"].as_str().unwrap().to_owned();
    let [one, two, three] = [&first, &second, &third].map(recorded_at);
    for (query, expected) in [
        (format!("since={two}"), vec![&third, &second]),
        (format!("until={two}"), vec![&first]),
        (format!("since={one}&until={three}"), vec![&second, &first]),
        (format!("since={two}&until={two}"), vec![]),
        (format!("since={three}&until={one}"), vec![]),
        (format!("since={}", percent_encode(&two.replace('Z', "+00:00"))), vec![&third, &second]),
        ("until=2002-01-01T00:00:00Z".to_owned(), vec![]),
        ("since=2002-01-01T00:00:00%2B01:00".to_owned(), vec![&third, &second, &first]),
    ] {
        assert_eq!(list(&service, &query).iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[test]
fn the_limit_is_1_to_1000_and_100_by_default() {
    let service = Service::start();
    import(&service, 1001);
    for (query, count) in [("", 100), ("limit=1", 1), ("limit=101", 101), ("limit=1000", 1000)] {
        assert_eq!(list(&service, query).len(), count, "{query}");
    }
    for limit in ["0", "1001", "-1", "1.5", "1e2", "x", "", "99999999999999999999"] {
        assert_eq!(service.get(&format!("/api/?limit={limit}")).bad_fields(400), ["limit"], "{limit}");
    }
}

#[test]
fn every_call_on_records_rejects_an_unknown_query_parameter_by_name() {
    let service = Service::start();
    service.record(DEPLOYED);
    for parameter in ["colour=red", "Component=web", "id=1", "page=2", "colour"] {
        let name = parameter.split('=').next().unwrap();
        for (method, path) in [
            ("GET", "/api/"),
            ("POST", "/api/"),
            ("GET", "/api/1"),
            ("PUT", "/api/1"),
            ("PATCH", "/api/1"),
            ("DELETE", "/api/1"),
        ] {
            let response = service.send_json(method, &format!("{path}?{parameter}"), DEPLOYED);
            assert_eq!(response.bad_fields(400), [name], "{method} {path}?{parameter}");
            assert!(response.problem(400).contains(name));
        }
    }
    assert_eq!(service.all_records().len(), 1);
}

#[test]
fn livez_and_readyz_reject_an_unknown_query_parameter_by_name() {
    let service = Service::start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(service.get(&format!("{path}?verbose=1")).bad_fields(400), ["verbose"], "{path}");
    }
}

#[test]
fn a_repeated_query_parameter_is_an_error_that_names_it() {
    let service = Service::start();
    for query in ["owner=ann&owner=ann", "owner=ann&limit=1&owner=bob", "owner=ann&o%77ner=bob"] {
        assert_eq!(service.get(&format!("/api/?{query}")).bad_fields(400), ["owner"], "{query}");
    }
}

#[test]
fn all_invalid_query_parameters_are_listed_at_once() {
    let service = Service::start();
    let long = format!("stage={}", "x".repeat(1_001));
    let query = format!(
        "phase=deployed&since=yesterday&until=2026-01-01&component=a%00&owner=%ff&limit=0&cursor=x&colour=red&{long}"
    );
    let mut fields = service.get(&format!("/api/?{query}")).bad_fields(400);
    fields.sort_unstable();
    assert_eq!(fields, ["colour", "component", "cursor", "limit", "owner", "phase", "since", "stage", "until"]);
}

#[test]
fn api_works_with_and_without_a_trailing_slash() {
    let service = Service::start();
    let posted = service.send_json("POST", "/api", DEPLOYED);
    let record = posted.expect(201);
    assert_eq!(posted.header("location"), Some("/api/1"));
    assert_eq!(service.get("/api").body, service.get("/api/").body);
    assert_eq!(service.get("/api?owner=ann").expect(200), json!([record]));
    let allow = |path| service.request("OPTIONS", path, &[], None).header("allow").map(str::to_owned);
    assert!(allow("/api").is_some_and(|methods| Some(methods) == allow("/api/")));
}
