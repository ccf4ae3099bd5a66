//! Tokens that may write of some components only.

use serde_json::json;

use super::{Bearer, NDJSON, create};
use crate::harness::{Database, Service, deployed_with};

fn of(component: &str) -> String {
    deployed_with(&json!({ "component": component }))
}

#[test]
fn a_record_outside_the_pattern_returns_403_and_names_the_component() {
    let database = Database::new();
    let token = create(&database, "web", "write", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let web = Bearer::new(&service, &token);
    web.post(&of("web-shop")).expect(201);
    let refused = web.post(&of("shop"));
    assert_eq!(refused.problem(403), "component shop is none that the token web may write: web-*");
    assert_eq!(refused.bad_fields(403), ["component"]);
    assert_eq!(refused.header("www-authenticate"), Some(r#"Bearer realm="deploylog", error="insufficient_scope""#));
    // What is wrong with it in itself comes first.
    assert_eq!(web.post(&deployed_with(&json!({"component": "shop", "owner": ""}))).bad_fields(400), ["owner"]);
    assert_eq!(database.sql("select component from records"), [["web-shop"]]);
}

#[test]
fn an_import_lists_the_lines_outside_the_pattern_and_records_none() {
    let database = Database::new();
    let token = create(&database, "web", "write", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let web = Bearer::new(&service, &token);
    let import = |lines: &[String]| web.request("POST", "/api/", &[NDJSON], Some(&lines.join("\n")));
    let refused = import(&[of("web-a"), String::new(), of("a"), of("web-b"), of("b")]);
    let errors = refused.expect(403)["errors"].clone();
    let lines: Vec<_> = errors.as_array().unwrap().iter().map(|error| (&error["line"], &error["field"])).collect();
    assert_eq!(lines, [(&json!(3), &json!("component")), (&json!(5), &json!("component"))]);
    assert!(refused.problem(403).contains("line 3: component a is none that the token web may write: web-*"));
    assert_eq!(database.sql("select count(*) from records"), [["0"]]);
    assert_eq!(import(&[of("web-a"), of("web-b")]).expect(201)["recorded"], 2);
    let many = vec![of("a"); 150];
    assert_eq!(import(&many).expect(403)["errors"].as_array().map(Vec::len), Some(100));
}

#[test]
fn a_change_cannot_move_a_record_into_or_out_of_the_pattern() {
    let database = Database::new();
    let all = create(&database, "all", "admin", &[]);
    let token = create(&database, "web", "admin", &["--component", "web-*"]);
    let service = Service::with_database(&database);
    let (all, web) = (Bearer::new(&service, &all), Bearer::new(&service, &token));
    let inside = all.post(&of("web-a")).expect(201)["id"].to_string();
    let outside = all.post(&of("a")).expect(201)["id"].to_string();
    let (inside, outside) = (format!("/api/{inside}"), format!("/api/{outside}"));
    for (method, path, body, names) in [
        ("PATCH", &outside, r#"{"version":"3"}"#.to_owned(), "component a is none"),
        ("PATCH", &outside, r#"{"component":"web-a"}"#.to_owned(), "component a is none"),
        ("PATCH", &inside, r#"{"component":"a"}"#.to_owned(), "component a is none"),
        ("PUT", &outside, of("web-a"), "component a is none"),
        ("PUT", &inside, of("b"), "component b is none"),
        ("DELETE", &outside, String::new(), "component a is none"),
    ] {
        let refused = web.send_json(method, path, &body);
        assert!(refused.problem(403).contains(names), "{method} {path}: {refused:?}");
    }
    assert_eq!(all.get(&outside).expect(200)["version"], "2.1");
    assert_eq!(all.get(&inside).expect(200)["component"], "web-a");
    web.send_json("PATCH", &inside, r#"{"component":"web-b"}"#).expect(200);
    web.send_json("PUT", &inside, &of("web-c")).expect(200);
    // What it may not write it may still read.
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
    let path = format!("/api/{}", Bearer::new(&service, &all).post(&of("a")).expect(201)["id"]);
    let web = Bearer::new(&service, &token);
    web.request("DELETE", &path, &[("if-match", "\"0-0\"")], None).problem(403);
    web.request("PATCH", &path, &[("if-match", "\"0-0\""), super::JSON], Some("{}")).problem(403);
}
