//! API tokens: scopes, component patterns, lifetime and secrecy.

mod authentication;
mod command;
mod lifetime;
mod load;
mod patterns;
mod scopes;
mod secrecy;
mod startup;

use crate::harness::{Database, Response, Service, run};

const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// Creates a token with the command and returns it.
#[track_caller]
fn create(database: &Database, name: &str, scope: &str, flags: &[&str]) -> String {
    let arguments = [&["token", "create", name, "--scope", scope], flags].concat();
    let (code, out, err) = run(&arguments, &[("DATABASE_URL", &database.url())]);
    assert_eq!(code, 0, "{err}");
    out.strip_suffix('\n').expect("a line").to_owned()
}

/// A client that sends a token with each request.
struct Client<'a> {
    service: &'a Service,
    authorization: String,
}

impl<'a> Client<'a> {
    fn new(service: &'a Service, token: &str) -> Self {
        Self { service, authorization: format!("Bearer {token}") }
    }

    fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Response {
        let headers = [&[("authorization", self.authorization.as_str())], headers].concat();
        self.service.request(method, target, &headers, body)
    }

    fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], None)
    }

    fn send_json(&self, method: &str, target: &str, json: &str) -> Response {
        self.request(method, target, &[JSON], Some(json))
    }

    fn post(&self, json: &str) -> Response {
        self.send_json("POST", "/api/", json)
    }
}
