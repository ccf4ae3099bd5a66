//! Tokens with a component pattern.

use serde_json::json;

use super::{Client, NDJSON, create};
use crate::harness::{Database, Service, deployed_with};

fn deployed_of(component: &str) -> String {
    deployed_with(&json!({ "component": component }))
}

#[test]
fn a_record_outside_the_pattern_returns_403_and_names_the_component() {
    let database = Database::new();
    let token = create(&database, "web", "write", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let web = Client::new(&service, &token);
    web.post(&deployed_of("web-shop")).expect(201);
    let rejected = web.post(&deployed_of("shop"));
    assert_eq!(rejected.problem(403), "component shop does not match web-*, the pattern of the token web");
    assert_eq!(rejected.bad_fields(403), ["component"]);
    assert_eq!(rejected.header("www-authenticate"), Some(r#"Bearer realm="deploylog", error="insufficient_scope""#));
    // An invalid record is rejected before the pattern is checked.
    assert_eq!(web.post(&deployed_with(&json!({"component": "shop", "owner": ""}))).bad_fields(400), ["owner"]);
    assert_eq!(database.sql("select component from records"), [["web-shop"]]);
}

#[test]
fn an_import_lists_the_lines_outside_the_pattern_and_records_none() {
    let database = Database::new();
    let token = create(&database, "web", "write", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let web = Client::new(&service, &token);
    let import = |lines: &[String]| web.request("POST", "/api/", &[NDJSON], Some(&lines.join("\n")));
    let rejected =
        import(&[deployed_of("web-a"), String::new(), deployed_of("a"), deployed_of("web-b"), deployed_of("b")]);
    let errors = rejected.expect(403)["errors"].clone();
    let lines: Vec<_> = errors.as_array().unwrap().iter().map(|error| (&error["line"], &error["field"])).collect();
    assert_eq!(lines, [(&json!(3), &json!("component")), (&json!(5), &json!("component"))]);
    assert!(rejected.problem(403).contains("line 3: component a does not match web-*, the pattern of the token web"));
    assert_eq!(database.sql("select count(*) from records"), [["0"]]);
    assert_eq!(import(&[deployed_of("web-a"), deployed_of("web-b")]).expect(201)["recorded"], 2);
    let many = vec![deployed_of("a"); 150];
    assert_eq!(import(&many).expect(403)["errors"].as_array().map(Vec::len), Some(100));
}

#[test]
fn a_change_cannot_move_a_record_into_or_out_of_the_pattern() {
    let database = Database::new();
    let all = create(&database, "all", "admin", &[]);
    let token = create(&database, "web", "admin", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let (all, web) = (Client::new(&service, &all), Client::new(&service, &token));
    let inside = all.post(&deployed_of("web-a")).expect(201)["id"].to_string();
    let outside = all.post(&deployed_of("a")).expect(201)["id"].to_string();
    let (inside, outside) = (format!("/api/{inside}"), format!("/api/{outside}"));
    for (method, path, body, names) in [
        ("PATCH", &outside, r#"{"version":"3"}"#.to_owned(), "component a does not match web-*"),
        ("PATCH", &outside, r#"{"component":"web-a"}"#.to_owned(), "component a does not match web-*"),
        ("PATCH", &inside, r#"{"component":"a"}"#.to_owned(), "component a does not match web-*"),
        ("PUT", &outside, deployed_of("web-a"), "component a does not match web-*"),
        ("PUT", &inside, deployed_of("b"), "component b does not match web-*"),
        ("DELETE", &outside, String::new(), "component a does not match web-*"),
    ] {
        let rejected = web.send_json(method, path, &body);
        assert!(rejected.problem(403).contains(names), "{method} {path}: {rejected:?}");
    }
    assert_eq!(all.get(&outside).expect(200)["version"], "2.1");
    assert_eq!(all.get(&inside).expect(200)["component"], "web-a");
    web.send_json("PATCH", &inside, r#"{"component":"web-b"}"#).expect(200);
    web.send_json("PUT", &inside, &deployed_of("web-c")).expect(200);
    // The pattern limits writes, not reads.
    assert_eq!(web.get(&outside).expect(200)["component"], "a");
    assert_eq!(web.request("DELETE", &inside, &[], None).status, 204);
    web.request("DELETE", &inside, &[], None).problem(404);
}

#[test]
fn if_match_reveals_nothing_about_records_outside_the_pattern() {
    let database = Database::new();
    let all = create(&database, "all", "admin", &[]);
    let token = create(&database, "web", "admin", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let path = format!("/api/{}", Client::new(&service, &all).post(&deployed_of("a")).expect(201)["id"]);
    let web = Client::new(&service, &token);
    web.request("DELETE", &path, &[("if-match", "\"0-0\"")], None).problem(403);
    web.request("PATCH", &path, &[("if-match", "\"0-0\""), super::JSON], Some("{}")).problem(403);
}
