//! Idempotency keys in the lines of an NDJSON body.

use serde_json::{Value, json};

use super::{deliver, expect_replay};
use crate::harness::{DEPLOYED, Service, deployed_with};

fn line(key: &str, version: &str) -> String {
    deployed_with(&json!({ "idempotency_key": key, "version": version }))
}

#[test]
fn a_line_can_have_an_idempotency_key() {
    let service = Service::start();
    let body = [line("a", "1"), line("b", "2"), DEPLOYED.to_owned()].join("\n");
    let first = service.import(&body).expect(201);
    assert_eq!((&first["recorded"], &first["replayed"]), (&json!(3), &json!(0)));
    let second = service.import(&[line("c", "3"), line("b", "2"), line("a", "1")].join("\n")).expect(201);
    assert_eq!((&second["recorded"], &second["replayed"]), (&json!(1), &json!(2)));
    assert_eq!((&second["ids"][1], &second["ids"][2]), (&first["ids"][1], &first["ids"][0]));
    assert!(second["ids"][0].as_u64() > first["ids"][2].as_u64());
    let records = service.all_records();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.get("idempotency_key").is_none()));
}

#[test]
fn a_key_in_a_line_equals_the_same_key_in_the_header_with_or_without_quotes() {
    let service = Service::start();
    let posted = deliver(&service, "a", DEPLOYED).expect(201);
    let imported = service.import(&[line("\"a\"", "2.1"), line("b", "2.1")].join("\n")).expect(201);
    assert_eq!((&imported["ids"][0], &imported["replayed"]), (&posted["id"], &json!(1)));
    assert_eq!(expect_replay(&deliver(&service, "\"b\"", DEPLOYED))["id"], imported["ids"][1]);
}

#[test]
fn a_key_in_a_line_has_1_to_200_visible_ascii_characters() {
    let service = Service::start();
    service.import(&line(&"k".repeat(200), "1")).expect(201);
    for key in [
        json!("k".repeat(201)),
        json!("a b"),
        json!("clé"),
        json!("\"\""),
        json!(""),
        json!(" "),
        json!("a\n"),
        json!(7),
    ] {
        let response = service.import(&deployed_with(&json!({ "idempotency_key": key })));
        assert_eq!(response.bad_fields(400), ["idempotency_key"], "{key}");
    }
    let lines = format!("{0}\n{0}", deployed_with(&json!({ "idempotency_key": null })));
    assert_eq!(service.import(&lines).expect(201)["recorded"], 2);
}

#[test]
fn a_repeated_key_with_the_same_content_in_one_body_creates_one_record() {
    let service = Service::start();
    for replays in [0, 2] {
        let lines = [line("a", "1"), line("b", "2"), line("a", "1"), line("\"a\"", "1")];
        let response = service.import(&lines.join("\n")).expect(201);
        assert_eq!((&response["recorded"], &response["replayed"]), (&json!(2 - replays), &json!(2 + replays)));
        assert_eq!(response["ids"], json!([1, 2, 1, 1]));
    }
    assert_eq!(service.all_records().len(), 2);
}

#[test]
fn a_repeated_key_with_other_content_in_one_body_gets_422_naming_line_and_field() {
    let service = Service::start();
    let lines = [line("a", "1"), line("b", "2"), String::new(), line("a", "2"), line("b", "2"), line("a", "1")];
    let response = service.import(&lines.join("\n"));
    response.problem(422);
    let errors = response.json()["errors"].clone();
    assert_eq!((&errors[0]["line"], &errors[0]["field"], &errors[1]), (&json!(4), &json!("version"), &Value::Null));
    assert!(errors[0]["reason"].is_string());
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn known_keys_with_other_content_get_422_naming_their_lines_and_nothing_is_recorded() {
    let service = Service::start();
    service.import(&[line("a", "1"), line("b", "2"), line("c", "3")].join("\n")).expect(201);
    let before = service.all_records();
    let lines = [line("d", "4"), line("c", "5"), line("a", "1"), String::new(), line("b", "6"), DEPLOYED.to_owned()];
    let response = service.import(&lines.join("\n"));
    response.problem(422);
    let problem = response.json();
    let named: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| (&e["line"], &e["field"])).collect();
    assert_eq!(named, [(&json!(2), &json!("version")), (&json!(5), &json!("version"))]);
    assert_eq!(service.all_records(), before);
}

#[test]
fn only_the_first_100_key_errors_are_listed() {
    let service = Service::start();
    let lines = |version: &str| -> String {
        let lines: Vec<_> = (0..150).map(|number| line(&number.to_string(), version)).collect();
        lines.join("\n")
    };
    service.import(&lines("1")).expect(201);
    let problem = service.import(&lines("2")).expect(422);
    let named: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64()).collect();
    assert_eq!(named, (1..=100).map(Some).collect::<Vec<_>>());
}

#[test]
fn a_key_in_a_body_belongs_to_its_component() {
    let service = Service::start();
    let line_of = |component: &str| deployed_with(&json!({ "idempotency_key": "k", "component": component }));
    let lines = [line_of("web"), line_of("db"), line_of("web")].join("\n");
    let response = service.import(&lines).expect(201);
    assert_eq!(
        (&response["recorded"], &response["replayed"], &response["ids"]),
        (&json!(2), &json!(1), &json!([1, 2, 1]))
    );
}
