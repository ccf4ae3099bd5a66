//! `ETag`, If-Match and If-None-Match.

use std::sync::Barrier;

use serde_json::json;

use crate::harness::{DEPLOYED, Response, Service, deployed_with};

/// The path and the `ETag` of a new record.
fn record(service: &Service) -> (String, String) {
    let response = service.post(DEPLOYED);
    response.expect(201);
    (response.header("location").unwrap().to_owned(), etag(&response))
}

fn etag(response: &Response) -> String {
    response.header("etag").expect("an ETag").to_owned()
}

/// Sends PUT, PATCH or DELETE with this If-Match.
fn change(service: &Service, method: &str, path: &str, tag: &str) -> Response {
    let headers = [("content-type", "application/json"), ("if-match", tag)];
    let body = if method == "DELETE" { None } else { Some(DEPLOYED) };
    service.request(method, path, &headers, body)
}

const CHANGES: [&str; 3] = ["PUT", "PATCH", "DELETE"];

#[test]
fn a_record_has_an_etag_that_differs_after_every_change() {
    let service = Service::start();
    let (path, first) = record(&service);
    assert!(first.starts_with('"') && first.ends_with('"') && first.len() > 2, "{first}");
    assert_eq!(etag(&service.get(&path)), first);
    assert_eq!(etag(&service.request("HEAD", &path, &[], None)), first);
    let mut seen = vec![first];
    for body in [r#"{"run":"x"}"#, r#"{"run":"y"}"#, r#"{"run":"x"}"#] {
        let changed = etag(&service.send_json("PATCH", &path, body));
        assert_eq!(etag(&service.get(&path)), changed);
        assert!(!seen.contains(&changed), "{changed}");
        seen.push(changed);
    }
    let replaced = etag(&service.send_json("PUT", &path, DEPLOYED));
    assert!(!seen.contains(&replaced));
    let (_, of_other) = record(&service);
    assert!(!seen.contains(&of_other));
}

#[test]
fn put_patch_and_delete_succeed_when_if_match_names_the_current_etag() {
    let service = Service::start();
    for method in CHANGES {
        for of in [|tag: &str| tag.to_owned(), |tag: &str| format!("\"other\",{tag} , \"x\""), |_: &str| "*".to_owned()]
        {
            let (path, tag) = record(&service);
            let response = change(&service, method, &path, &of(&tag));
            assert_eq!(
                response.status,
                if method == "DELETE" { 204 } else { 200 },
                "{method} {}: {response:?}",
                of(&tag)
            );
        }
    }
}

#[test]
fn put_patch_and_delete_return_412_when_if_match_does_not_name_the_current_etag() {
    let service = Service::start();
    let (path, stale) = record(&service);
    let current = etag(&service.send_json("PATCH", &path, r#"{"version":"3"}"#));
    let before = service.get(&path).body;
    let weak = format!("W/{current}");
    let bare = current.trim_matches('"').to_owned();
    for method in CHANGES {
        for tag in [stale.as_str(), "\"other\"", &format!("{stale}, \"x\""), &weak, &bare, "\"*\""] {
            change(&service, method, &path, tag).problem(412);
        }
    }
    assert_eq!(service.get(&path).body, before);
}

#[test]
fn an_invalid_body_returns_400_regardless_of_if_match() {
    let service = Service::start();
    let (path, tag) = record(&service);
    for tag in [tag.as_str(), "\"stale\""] {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        for (method, body) in [("PUT", "{}"), ("PUT", r#"{"staus":"x"}"#), ("PATCH", r#"{"owner":null}"#)] {
            service.request(method, &path, &headers, Some(body)).problem(400);
        }
    }
}

#[test]
fn if_match_on_an_unknown_record_returns_404() {
    let service = Service::start();
    for method in CHANGES {
        change(&service, method, "/api/1", "*").problem(404);
    }
}

#[test]
fn of_concurrent_changes_with_the_same_if_match_exactly_one_succeeds() {
    let service = Service::start();
    let (path, tag) = record(&service);
    let barrier = Barrier::new(8);
    let statuses = std::thread::scope(|scope| {
        let send = |number: usize| {
            let (service, path, tag, barrier) = (&service, &path, &tag, &barrier);
            scope.spawn(move || {
                let mut connection = service.connect();
                barrier.wait();
                let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
                let body = deployed_with(&json!({ "version": number.to_string() }));
                connection.request("PUT", path, &headers, Some(body.as_bytes())).status
            })
        };
        let threads: Vec<_> = (0..8).map(send).collect();
        let mut statuses: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        statuses.sort_unstable();
        statuses
    });
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
}

#[test]
fn a_client_that_has_the_current_record_receives_304() {
    let service = Service::start();
    let (path, tag) = record(&service);
    for known in [&tag, &format!("W/{tag}"), &format!("\"other\", {tag}"), &format!("\"a\",W/{tag},\"b\""), "*"] {
        for method in ["GET", "HEAD"] {
            let response = service.request(method, &path, &[("if-none-match", known)], None);
            assert_eq!((response.status, response.body.as_str()), (304, ""), "{method} {known}");
            assert_eq!(etag(&response), tag);
        }
    }
    for other in ["\"other\"", "W/\"other\", \"x\"", tag.trim_matches('"')] {
        assert_eq!(service.request("GET", &path, &[("if-none-match", other)], None).status, 200, "{other}");
    }
    service.send_json("PATCH", &path, r#"{"version":"3"}"#).expect(200);
    assert_eq!(service.request("GET", &path, &[("if-none-match", &tag)], None).expect(200)["version"], "3");
}
