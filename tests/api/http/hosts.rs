//! What a hostile page in a user's browser can send: requests that name another host, and writes from another origin.

use serde_json::json;

use crate::harness::{Connection, DEPLOYED, Database, Response, Service, eventually, run};

/// All calls except `/livez`, `/readyz` and `/metrics`.
const CALLS: [(&str, &str); 14] = [
    ("GET", "/api/"),
    ("HEAD", "/api/"),
    ("POST", "/api/"),
    ("GET", "/api/1"),
    ("PUT", "/api/1"),
    ("PATCH", "/api/1"),
    ("DELETE", "/api/1"),
    ("GET", "/api/1/history"),
    ("GET", "/api/deploys"),
    ("GET", "/api/current"),
    ("GET", "/api/dora"),
    ("GET", "/api/events"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
];

/// Sends a request with these lines after its request line, and the record as its body if it is a write.
fn send(service: &Service, method: &str, target: &str, lines: &[&str]) -> Response {
    let body = if ["POST", "PUT", "PATCH"].contains(&method) { DEPLOYED } else { "" };
    let mut connection = Connection::open(service.address);
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    connection.send(format!(
        "{method} {target} HTTP/1.1\r\n{lines}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    if method == "HEAD" { connection.head() } else { connection.response() }
}

#[test]
fn without_a_token_a_request_to_another_host_gets_403_that_names_the_setting() {
    let service = Service::with_settings(&[("DEPLOYLOG_ALLOW_HOST", "")]);
    assert_eq!(send(&service, "POST", "/api/", &["host: localhost"]).status, 201);
    for (method, target) in CALLS {
        let response = send(&service, method, target, &["host: evil.example:5000"]);
        assert_eq!(response.status, 403, "{method} {target}");
        assert_eq!(response.header("www-authenticate"), None);
        if method != "HEAD" {
            let detail = response.problem(403);
            for named in ["evil.example:5000", "DEPLOYLOG_ALLOW_HOST", "--allow-host"] {
                assert!(detail.contains(named), "{detail}");
            }
        }
    }
    for target in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(send(&service, "GET", target, &["host: evil.example"]).status, 200, "{target}");
    }
    let records = send(&service, "GET", "/api/", &["host: localhost"]).expect(200);
    assert_eq!(
        (records.as_array().unwrap().len(), &records[0]["id"]),
        (1, &json!(1)),
        "nothing was written or deleted"
    );
}

#[test]
fn loopback_names_addresses_and_allowed_hosts_are_served_on_any_port() {
    let service = Service::with_settings(&[("DEPLOYLOG_ALLOW_HOST", "deploylog.example.com, ci:81")]);
    for host in [
        "localhost",
        "LOCALHOST.:1",
        "x.localhost:5000",
        "127.0.0.1",
        "[::1]:5000",
        "10.0.0.7",
        "CI.",
        "deploylog.example.com",
    ] {
        assert_eq!(send(&service, "GET", "/api/", &[&format!("host: {host}")]).status, 200, "{host}");
        assert_eq!(send(&service, "POST", "/api/", &[&format!("host: {host}")]).status, 201, "{host}");
    }
    for host in ["example.com", "ci.example.com", "localhost.example.com", "127.0.0.1.example.com"] {
        send(&service, "GET", "/api/", &[&format!("host: {host}")]).problem(403);
    }
}

#[test]
fn the_host_of_an_absolute_target_counts_instead_of_the_header() {
    let service = Service::start();
    send(&service, "GET", "http://evil.example/api/", &["host: localhost"]).problem(403);
    send(&service, "GET", "http://localhost/api/", &["host: evil.example"]).expect(200);
    send(&service, "POST", "http://localhost/api/", &["host: ci", "origin: http://ci"]).problem(403);
}

#[test]
fn a_request_in_http_1_0_without_a_host_is_served() {
    let service = Service::start();
    let mut connection = service.connect();
    connection.send("GET /api/ HTTP/1.0\r\n\r\n");
    connection.response().expect(200);
}

#[test]
fn once_a_token_exists_requests_can_name_any_host() {
    let database = Database::new();
    let service = Service::with_database(&database);
    send(&service, "GET", "/api/", &["host: evil.example"]).problem(403);
    let arguments = ["token", "create", "all", "--scope", "admin"];
    let token = run(&arguments, &[("DATABASE_URL", &database.url())]).1;
    let authorization = format!("authorization: Bearer {}", token.trim_end());
    eventually("the token is needed", || send(&service, "GET", "/api/", &["host: evil.example"]).status == 401);
    send(&service, "GET", "/api/", &["host: evil.example", &authorization]).expect(200);
    let lines = ["host: deploylog.example.com", "origin: https://deploylog.example.com", &authorization];
    send(&service, "POST", "/api/", &lines).expect(201);
    let foreign = ["host: deploylog.example.com", "origin: https://evil.example", &authorization];
    for (method, target) in [("POST", "/api/"), ("PUT", "/api/1"), ("PATCH", "/api/1"), ("DELETE", "/api/1")] {
        assert_eq!(send(&service, method, target, &foreign).problem(403).matches("evil.example").count(), 1);
    }
    send(&service, "GET", "/api/1", &foreign).expect(200);
}

#[test]
fn a_write_from_a_foreign_origin_gets_403_even_if_every_host_is_allowed() {
    for allowed in ["", "*", "*, portal.example"] {
        let service = Service::with_settings(&[("DEPLOYLOG_ALLOW_HOST", allowed)]);
        send(&service, "POST", "/api/", &["host: 127.0.0.1", "origin: http://127.0.0.1:7"]).expect(201);
        for origin in
            ["null", "", "http://evil.example", "http://localhost", "https://127.0.0.1.evil.example", "file://"]
        {
            let lines = ["host: 127.0.0.1", &format!("origin: {origin}")];
            for (method, target) in [("POST", "/api/"), ("PUT", "/api/1"), ("PATCH", "/api/1"), ("DELETE", "/api/1")] {
                let detail = send(&service, method, target, &lines).problem(403);
                assert!(detail.contains("--allow-host"), "{detail}");
            }
            send(&service, "GET", "/api/1", &lines).expect(200);
        }
        let from_portal = send(&service, "POST", "/api/", &["host: 127.0.0.1", "origin: https://portal.example"]);
        assert_eq!(from_portal.status, if allowed.contains("portal") { 201 } else { 403 });
        let elsewhere = send(&service, "GET", "/api/1", &["host: evil.example"]);
        assert_eq!(elsewhere.status, if allowed.is_empty() { 403 } else { 200 });
    }
}
