//! HTTP methods, paths, content negotiation and problem documents.

mod bodies;
mod connections;
mod hosts;
mod memory;
mod timeouts;

use serde_json::Value;

use crate::harness::{DEPLOYED, Service};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Paths with the methods they allow.
const PATHS: [(&str, &str); 6] = [
    ("/api/", "GET, HEAD, OPTIONS, POST"),
    ("/api", "GET, HEAD, OPTIONS, POST"),
    ("/api/1", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ("/livez", "GET, HEAD, OPTIONS"),
    ("/readyz", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
];

/// The methods of an `Allow` header in alphabetical order.
fn sorted(allow: Option<&str>) -> String {
    let mut methods: Vec<_> = allow.expect("an Allow header").split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods.join(", ")
}

#[test]
fn livez_and_readyz_return_200() {
    let service = Service::start();
    for path in ["/livez", "/readyz"] {
        assert!(service.get(path).expect(200).is_object());
    }
}

#[test]
fn head_returns_the_status_and_headers_of_get_without_a_body() {
    let service = Service::start();
    service.record(DEPLOYED);
    service.record(DEPLOYED);
    let mut connection = service.connect();
    for (target, accept) in [
        ("/api/", "*/*"),
        ("/api?limit=1", "*/*"),
        ("/api/", "text/csv"),
        ("/api/", "application/x-ndjson"),
        ("/api/1", "*/*"),
        ("/livez", "*/*"),
        ("/readyz", "*/*"),
        ("/openapi.json", "*/*"),
        ("/api/7", "*/*"),
        ("/api/?colour=red", "*/*"),
        ("/none", "*/*"),
    ] {
        let accept = [("accept", accept)];
        let mut get = connection.request("GET", target, &accept, None);
        // On the same connection: a body after HEAD would be read as the next response.
        let head = connection.request("HEAD", target, &accept, None);
        assert_eq!(head.status, get.status, "{target}");
        get.headers.retain(|(name, _)| !["date", "transfer-encoding"].contains(&name.as_str()));
        for (name, value) in &get.headers {
            assert_eq!(head.header(name), Some(value.as_str()), "{name} of {target}");
        }
    }
}

#[test]
fn options_returns_204_with_allow() {
    let service = Service::start();
    for (path, allow) in PATHS {
        let response = service.request("OPTIONS", path, &[], None);
        assert_eq!((response.status, response.body.as_str()), (204, ""), "{path}");
        assert_eq!(sorted(response.header("allow")), allow, "{path}");
    }
    let response = service.request("OPTIONS", "*", &[], None);
    assert_eq!(response.status, 204);
    service.request("OPTIONS", "/none", &[], None).problem(404);
}

#[test]
fn a_method_that_a_path_does_not_allow_gets_405_with_allow() {
    let service = Service::start();
    service.record(DEPLOYED);
    for (path, allow) in PATHS {
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"] {
            if !allow.contains(method) {
                let response = service.send_json(method, path, DEPLOYED);
                response.problem(405);
                assert_eq!(sorted(response.header("allow")), allow, "{method} {path}");
            }
        }
    }
    assert_eq!(service.all_records().len(), 1);
}

#[test]
fn an_unknown_method_gets_501() {
    let service = Service::start();
    for method in ["BREW", "get", "Post", "PROPFIND"] {
        for path in ["/api/", "/api/1", "/livez", "/none"] {
            service.request(method, path, &[], None).problem(501);
        }
    }
}

#[test]
fn an_unknown_path_gets_404() {
    let service = Service::start();
    for path in ["/none", "/API/", "//api/", "/api//", "/api/1/2", "/apis", "/livez/", "/.", "/api/../api/", "/api%2F"]
    {
        for method in ["GET", "POST", "DELETE"] {
            service.send_json(method, path, DEPLOYED).problem(404);
        }
    }
}

#[test]
fn an_unsupported_accept_header_gets_406() {
    let service = Service::start();
    service.record(DEPLOYED);
    for accept in ["text/html", "image/*", "application/xml, text/html;q=0.5", "*/*;q=0", "application/json;q=0"] {
        service.request("GET", "/api/", &[("accept", accept)], None).problem(406);
        service.request("GET", "/api/1", &[("accept", accept)], None).problem(406);
    }
    service.request("GET", "/api/1", &[("accept", "text/csv")], None).problem(406);
}

#[test]
fn the_media_type_is_the_one_that_accept_prefers() {
    let service = Service::start();
    for (accept, media_type) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/*", "text/csv"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.5, text/csv;q=0.8, application/x-ndjson;q=0.7", "text/csv"),
        ("text/html, application/x-ndjson;q=0.1", "application/x-ndjson"),
        ("*/*;q=0.1, application/json;q=0", "text/csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
    ] {
        let response = service.request("GET", "/api/", &[("accept", accept)], None);
        let content_type = response.header("content-type").and_then(|value| value.split(';').next());
        assert_eq!((response.status, content_type), (200, Some(media_type)), "{accept}");
        assert_eq!(response.header("vary").map(str::to_lowercase).as_deref(), Some("accept"));
    }
}

#[test]
fn answers_under_api_are_for_pages_of_the_same_origin_only() {
    let service = Service::start();
    let policy = |target: &str| service.get(target).header("cross-origin-resource-policy").map(str::to_owned);
    for target in ["/api/", "/api", "/api/?limit=0", "/api/1", "/api/none/none", "/api/dora"] {
        assert_eq!(policy(target).as_deref(), Some("same-origin"), "{target}");
    }
    for target in ["/livez", "/openapi.json", "/none"] {
        assert_eq!(policy(target), None, "{target}");
    }
}

#[test]
fn every_failure_is_a_problem_with_status_title_and_detail() {
    let service = Service::start();
    service.record(DEPLOYED);
    let stale = [JSON, ("if-match", "\"stale\"")];
    let failures = [
        (400, service.post("{}")),
        (404, service.get("/api/2")),
        (405, service.send_json("PUT", "/api/", "{}")),
        (406, service.request("GET", "/api/", &[("accept", "text/html")], None)),
        (411, service.request("POST", "/api/", &[JSON], None)),
        (412, service.request("PUT", "/api/1", &stale, Some(DEPLOYED))),
        (413, service.post(&" ".repeat(70_000))),
        (415, service.request("POST", "/api/", &[("content-type", "text/plain")], Some(DEPLOYED))),
        (501, service.request("BREW", "/api/", &[], None)),
    ];
    for (status, response) in failures {
        assert!(!response.problem(status).is_empty());
        let problem = response.json();
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        let has_errors = problem.get("errors").is_some_and(Value::is_array);
        assert_eq!(has_errors, status == 400, "{problem}");
    }
}
