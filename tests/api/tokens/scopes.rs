//! Every scope with every call.

use deploylog::route::Route;

use super::{Client, JSON, create};
use crate::harness::{DEPLOYED, Database, Response, Service};

/// Sends a valid request for a call from [`Route::NAMES`].
fn call(send: impl Fn(&str, &str, &[(&str, &str)], Option<&str>) -> Response, name: &str, id: &str) -> Response {
    let (method, path) = name.split_once(' ').unwrap();
    let path = path.replace("{id}", id).replace("{file}", "page.js");
    let body = matches!(method, "POST" | "PUT" | "PATCH").then_some(DEPLOYED);
    let headers: &[_] = if body.is_some() { &[JSON] } else { &[] };
    if path == "/api/events" {
        // The stream never ends. An unknown parameter is rejected after the token is accepted.
        return send(method, "/api/events?x=1", headers, body);
    }
    send(method, &path, headers, body)
}

/// The scope that a call needs; `admin` permits every call.
fn required_scope(name: &str) -> Option<&'static str> {
    match name.split_once(' ').unwrap() {
        (_, "/livez" | "/readyz" | "/openapi.json" | "/" | "/page/{file}") => None,
        ("GET", _) => Some("read"),
        ("POST", _) => Some("write"),
        _ => Some("admin"),
    }
}

#[test]
fn a_token_permits_exactly_the_calls_of_its_scope() {
    let database = Database::new();
    let tokens = ["read", "write", "admin"].map(|scope| (scope, create(&database, scope, scope, &[])));
    let service = Service::with_database(&database);
    let admin = Client::new(&service, &tokens[2].1);
    for name in Route::NAMES {
        for (scope, token) in &tokens {
            let id = admin.post(DEPLOYED).expect(201)["id"].to_string();
            let bearer = Client::new(&service, token);
            let response =
                call(|method, target, headers, body| bearer.request(method, target, headers, body), name, &id);
            let is_permitted = required_scope(name).is_none_or(|required| *scope == "admin" || *scope == required);
            if is_permitted {
                let expected = if name == "GET /api/events" { 400..401 } else { 200..300 };
                assert!(expected.contains(&response.status), "{name} with {scope}: {response:?}");
                continue;
            }
            let required = required_scope(name).unwrap();
            let detail = response.problem(403);
            assert!(detail.contains(&format!("the scope {required}")), "{name} with {scope}: {detail}");
            assert!(detail.ends_with(&format!("the token {scope} has the scope {scope}")), "{detail}");
            let challenge = format!(r#"Bearer realm="deploylog", error="insufficient_scope", scope="{required}""#);
            assert_eq!(response.header("www-authenticate"), Some(challenge.as_str()));
        }
    }
}

#[test]
fn without_a_token_protected_calls_return_401_and_public_calls_work() {
    let database = Database::new();
    create(&database, "ci", "write", &[]);
    let service = Service::with_database(&database);
    for name in Route::NAMES {
        let response = call(|method, target, headers, body| service.request(method, target, headers, body), name, "1");
        if required_scope(name).is_some() {
            response.problem(401);
            assert_eq!(response.header("www-authenticate"), Some(r#"Bearer realm="deploylog""#), "{name}");
        } else {
            assert_eq!(response.status, 200, "{name}");
        }
    }
    assert_eq!(service.request("HEAD", "/api/", &[], None).status, 401);
    assert_eq!(service.request("OPTIONS", "/api/", &[], None).status, 204);
    service.get("/api/none").problem(404);
    service.request("DELETE", "/api/", &[], None).problem(405);
    service.request("BREW", "/api/", &[], None).problem(501);
    service.get("/livez?access_token=x").problem(400);
}

#[test]
fn with_public_reads_only_writes_require_a_token() {
    let database = Database::new();
    let token = create(&database, "ci", "write", &[]);
    let service = Service::with_environment(&[("DATABASE_URL", &database.url()), ("DEPLOYLOG_PUBLIC_READS", "true")]);
    Client::new(&service, &token).post(DEPLOYED).expect(201);
    for name in Route::NAMES {
        let response = call(|method, target, headers, body| service.request(method, target, headers, body), name, "1");
        let expected = match required_scope(name) {
            Some("write" | "admin") => 401,
            _ if name == "GET /api/events" => 400,
            _ => 200,
        };
        assert_eq!(response.status, expected, "{name}");
    }
    // Public reads ignore the token.
    assert_eq!(Client::new(&service, "nonsense").get("/api/").status, 200);
    Client::new(&service, "nonsense").post(DEPLOYED).problem(401);
}

#[test]
fn a_token_in_a_query_parameter_is_not_accepted() {
    let database = Database::new();
    let token = create(&database, "all", "admin", &[]);
    let service = Service::with_database(&database);
    service.get(&format!("/api/?access_token={token}")).problem(401);
    let admin = Client::new(&service, &token);
    assert_eq!(admin.get(&format!("/api/?access_token={token}")).bad_fields(400), ["access_token"]);
}
