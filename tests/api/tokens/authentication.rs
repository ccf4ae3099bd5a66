//! Requests with missing or invalid tokens, and what happens to their connections.

use std::io::{ErrorKind, Read as _};

use super::{Client, create};
use crate::harness::{DEPLOYED, Database, Service};

#[test]
fn an_invalid_authorization_header_returns_401_and_says_why() {
    let database = Database::new();
    let token = create(&database, "all", "admin", &[]);
    let service = Service::with_database(&database);
    let request = |headers: &[&str]| {
        let headers: Vec<_> = headers.iter().map(|value| ("authorization", *value)).collect();
        service.request("GET", "/api/", &headers, None)
    };
    let bearer = format!("Bearer {token}");
    for good in [bearer.clone(), format!("bearer {token}"), format!("BEARER   {token}")] {
        assert_eq!(request(&[&good]).status, 200, "{good}");
    }
    let flipped = bearer.replace("dl_", "DL_");
    let (shorter, longer) = (&bearer[..bearer.len() - 1], format!("{bearer}A"));
    let unknown = format!("Bearer dl_{}", "A".repeat(43));
    let (basic, two_words, in_quotes) =
        (format!("Basic {token}"), format!("{bearer} {token}"), format!("Bearer \"{token}\""));
    for (headers, reason) in [
        (&["" as &str][..], "of the form Bearer TOKEN"),
        (&["Bearer"], "of the form Bearer TOKEN"),
        (&["Bearer  "], "of the form Bearer TOKEN"),
        (&[token.as_str()], "of the form Bearer TOKEN"),
        (&[&basic], "of the form Bearer TOKEN"),
        (&[&two_words], "of the form Bearer TOKEN"),
        (&[&bearer, &bearer], "send exactly one Authorization header"),
        (&[&bearer, "Bearer"], "send exactly one Authorization header"),
        (&[&in_quotes], "the token is unknown or revoked"),
        (&[&flipped], "the token is unknown or revoked"),
        (&[shorter], "the token is unknown or revoked"),
        (&[&longer], "the token is unknown or revoked"),
        (&[&unknown], "the token is unknown or revoked"),
        (&["Bearer \u{ff}"], "of the form Bearer TOKEN"),
    ] {
        let response = request(headers);
        let detail = response.problem(401);
        assert!(detail.contains(reason), "{headers:?}: {detail}");
        assert_eq!(response.header("www-authenticate"), Some(r#"Bearer realm="deploylog", error="invalid_token""#));
        assert!(!response.body.contains(&token), "{response:?}");
    }
}

/// Sends the head of a POST without a body and reads until the connection ends.
fn post_without_body(service: &Service, authorization: &str, headers: &str) -> String {
    let mut connection = service.connect();
    connection.send(format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{authorization}{headers}\r\n"
    ));
    let mut all = String::new();
    connection.stream().read_to_string(&mut all).unwrap();
    all
}

#[test]
fn a_client_that_waits_for_100_continue_is_rejected_without_one() {
    let database = Database::new();
    let token = create(&database, "dashboard", "read", &[]);
    let service = Service::with_database(&database);
    let expect = "content-length: 1000000000\r\nexpect: 100-continue\r\n";
    let none = post_without_body(&service, "", expect);
    assert!(none.starts_with("HTTP/1.1 401 ") && !none.contains("100 Continue"), "{none}");
    assert!(none.to_lowercase().contains("connection: close"), "{none}");
    let other = post_without_body(&service, &format!("authorization: Bearer {token}\r\n"), expect);
    assert!(other.starts_with("HTTP/1.1 403 ") && !other.contains("100 Continue"), "{other}");
}

#[test]
fn a_client_that_sends_a_large_body_anyway_still_receives_the_401() {
    let database = Database::new();
    create(&database, "ci", "write", &[]);
    let service = Service::with_database(&database);
    let mut connection = service.connect();
    let body = vec![b' '; 4 << 20];
    let head = format!(
        "POST /api/ HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.send([head.as_bytes(), &body].concat());
    connection.response().problem(401);
    let end = connection.stream().read(&mut [0; 1]);
    assert!(end.as_ref().is_ok_and(|read| *read == 0) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
    assert_eq!(database.sql("select count(*) from records"), [["0"]]);
}

#[test]
fn a_connection_stays_usable_after_a_rejected_request_without_a_body() {
    let database = Database::new();
    let token = create(&database, "all", "admin", &[]);
    let service = Service::with_database(&database);
    let mut connection = service.connect();
    connection.request("GET", "/api/", &[], None).problem(401);
    connection.request("DELETE", "/api/1", &[], None).problem(401);
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), super::JSON];
    connection.request("POST", "/api/", &headers, Some(DEPLOYED.as_bytes())).expect(201);
    // A token applies to its request, not to the connection.
    connection.request("GET", "/api/", &[], None).problem(401);
}

#[test]
fn before_the_first_token_exists_authorization_is_ignored() {
    let service = Service::start();
    Client::new(&service, "nonsense").post(DEPLOYED).expect(201);
    let twice = [("authorization", "a"), ("authorization", "b")];
    assert_eq!(service.request("GET", "/api/", &twice, None).status, 200);
}
