//! A hostile page in the browser of a user can neither read nor write records.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
};

use serde_json::json;

use crate::browser::Browser;
use crate::harness::{DEPLOYED, Service};

/// Serves an empty page at every path, for the lifetime of the process.
fn serve_empty_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client?;
            let mut lines = BufReader::new(client.try_clone()?).lines();
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n";
            client.write_all(format!("{head}<!doctype html>").as_bytes())?;
        }
        std::io::Result::Ok(())
    });
    address
}

/// Status and body of a call by the page, or the error of the browser.
fn call(browser: &Browser, url: &str, options: &str) -> String {
    let script = format!("fetch('{url}', {options}).then(async (reply) => reply.status + ' ' + await reply.text())");
    browser.eval_promise(&script).as_str().unwrap().to_owned()
}

/// Writes in all ways that a page has.
fn writes() -> Vec<String> {
    let json = |method: &str| {
        json!({"method": method, "body": DEPLOYED, "headers": {"content-type": "application/json"}}).to_string()
    };
    let simple = |kind: &str| {
        json!({"method": "POST", "body": DEPLOYED, "mode": "no-cors", "headers": {"content-type": kind}}).to_string()
    };
    let untyped = format!("{{method: 'POST', mode: 'no-cors', body: new Blob([{}])}}", json!(DEPLOYED));
    vec![json("POST"), json("PUT"), json("PATCH"), r#"{"method": "DELETE"}"#.to_owned(), simple("text/plain"), untyped]
}

#[track_caller]
fn assert_untouched(service: &Service) {
    assert_eq!(service.get("/api/?limit=9").json().as_array().map(Vec::len), Some(1));
    assert_eq!(service.get("/api/1/history").json(), json!([]));
}

#[test]
fn a_page_that_gives_its_own_name_the_address_of_the_service_reads_and_writes_nothing() {
    let service = Service::start();
    service.post(DEPLOYED).expect(201);
    let browser = Browser::with_hostile_names();
    let port = service.address.port();
    browser.open_url(&format!("http://localhost:{port}/openapi.json"));
    assert!(call(&browser, "/api/1", "{}").starts_with("200 "), "the browser reaches the service");
    browser.open_url(&format!("http://evil.example:{port}/"));
    assert_eq!(browser.eval("location.host"), format!("evil.example:{port}"));
    for target in ["/api/", "/api/1", "/api/events", "/openapi.json", "/"] {
        let answer = call(&browser, target, "{}");
        assert!(answer.starts_with("403 ") && answer.contains("DEPLOYLOG_ALLOW_HOST"), "{target}: {answer}");
    }
    for options in writes() {
        for target in ["/api/", "/api/1"] {
            let answer = call(&browser, target, &options);
            assert!(answer.starts_with("403 ") || answer.starts_with("405 "), "{target} {options}: {answer}");
        }
    }
    assert_untouched(&service);
}

#[test]
fn a_page_of_another_origin_reads_and_writes_nothing() {
    // A host that the service allows must not help a page of another one.
    let service = Service::with_settings(&[("DEPLOYLOG_ALLOW_HOST", "*")]);
    service.connect().request("POST", "/api/", &[("content-type", "application/json")], Some(DEPLOYED.as_bytes()));
    let browser = Browser::with_hostile_names();
    let port = serve_empty_page().port();
    for host in ["evil.example", "localhost"] {
        browser.open_url(&format!("http://{host}:{port}/"));
        for target in ["/api/", "/api/1", "/api/events"] {
            let url = format!("http://{}{target}", service.address);
            for options in ["{}", "{mode: 'no-cors'}"] {
                assert_eq!(call(&browser, &url, options), "TypeError: Failed to fetch", "{url} {options}");
            }
            for options in writes() {
                let answer = call(&browser, &url, &options);
                assert_eq!(answer, "TypeError: Failed to fetch", "{url} {options}");
            }
        }
    }
    assert_untouched(&service);
}
