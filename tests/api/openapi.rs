//! The document of all calls is served and matches the service. `tests/openapi/run` tests its schemas.

use serde_json::Value;

use crate::harness::{DEPLOYED, Database, PrivateCluster, Response, Service, deployed_with, run};

fn document(service: &Service) -> Value {
    service.get("/openapi.json").expect(200)
}

/// Follows the reference of a value, if it is one.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("the target of a reference"),
        None => value,
    }
}

/// The method, path and description of every call.
fn calls(document: &Value) -> Vec<(String, &str, &Value)> {
    let items = document["paths"].as_object().unwrap().iter();
    let calls = items.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters");
        methods.map(move |(method, call)| {
            // A stream of events never ends, so request only its head.
            let is_endless = call.pointer("/responses/200/content/text~1event-stream").is_some();
            (if is_endless { "HEAD".to_owned() } else { method.to_uppercase() }, path.as_str(), call)
        })
    });
    calls.collect()
}

fn statuses(call: &Value) -> Vec<u16> {
    call["responses"].as_object().unwrap().keys().map(|status| status.parse().unwrap()).collect()
}

/// The example bodies of a call with their media types.
fn examples(call: &Value) -> Vec<(&str, String)> {
    let types = call["requestBody"]["content"].as_object().into_iter().flatten();
    let bodies = types.flat_map(|(media_type, content)| {
        let examples = content["examples"].as_object().expect("examples").values().map(|example| &example["value"]);
        examples.map(move |value| match (media_type.as_str(), value) {
            ("application/x-ndjson", Value::Array(lines)) => {
                (media_type.as_str(), lines.iter().map(|line| format!("{line}\n")).collect())
            }
            (media_type, value) => (media_type, value.to_string()),
        })
    });
    bodies.collect()
}

/// The path with the example of every query parameter.
fn target(document: &Value, path: &str, call: &Value) -> String {
    let parameters = call["parameters"].as_array().into_iter().flatten().map(|one| resolve(document, one));
    let examples = parameters.filter(|one| one["in"] == "query").filter_map(|one| {
        let value = match one.get("example")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(format!("{}={}", one["name"].as_str().unwrap(), crate::harness::percent_encode(&value)))
    });
    format!("{path}?{}", examples.collect::<Vec<_>>().join("&"))
}

/// Sends a valid request of this call, changed so that it produces this status.
fn produce_status(service: &Service, method: &str, path: &str, status: u16) -> Response {
    let record = service.post(DEPLOYED);
    let path = path.replace("/api/{id}", record.header("location").unwrap()).replace("{file}", "page.css");
    let (tag, json) = (record.header("etag").unwrap(), ("content-type", "application/json"));
    let body = (!["GET", "HEAD", "DELETE"].contains(&method)).then_some(DEPLOYED);
    let request = |path: &str, headers: &[(&str, &str)], body| service.request(method, path, headers, body);
    match status {
        200 if method == "POST" => {
            let keyed = [json, ("idempotency-key", "replayed")];
            request(&path, &keyed, body).expect(201);
            request(&path, &keyed, body)
        }
        200 | 201 | 204 => request(&path, &[json], body),
        304 => {
            let now = service.get(&path);
            request(&path, &[("if-none-match", now.header("etag").unwrap_or(tag))], body)
        }
        400 => request(&format!("{path}?colour=red"), &[json], body),
        404 if path.starts_with("/page/") => request("/page/none.css", &[], body),
        404 => request("/api/9007199254740991", &[json], body),
        406 => request(&path, &[("accept", "image/png")], body),
        411 => request(&path, &[json], None),
        412 => request(&path, &[json, ("if-match", "\"stale\"")], body),
        413 => request(&path, &[json], Some(&" ".repeat(70_000))),
        415 => request(&path, &[("content-type", "text/plain")], body),
        422 => {
            let keyed = [json, ("idempotency-key", "reused")];
            request(&path, &keyed, body).expect(201);
            request(&path, &keyed, Some(&deployed_with(&serde_json::json!({ "version": "3" }))))
        }
        _ => panic!("this test cannot produce status {status} of {method} {path}"),
    }
}

#[test]
fn the_document_is_served_with_an_etag() {
    let service = Service::start();
    let response = service.get("/openapi.json");
    assert_eq!(response.expect(200)["openapi"], "3.1.0");
    assert_eq!(response.header("content-type"), Some("application/json"));
    let tag = response.header("etag").expect("an ETag");
    let known = service.request("GET", "/openapi.json", &[("if-none-match", tag)], None);
    assert_eq!((known.status, known.body.as_str(), known.header("etag")), (304, "", Some(tag)));
    let other = service.request("GET", "/openapi.json", &[("if-none-match", "\"other\"")], None);
    assert_eq!(other.body, response.body);
}

#[test]
fn every_example_is_accepted() {
    let service = Service::start();
    let document = document(&service);
    for (method, path, call) in calls(&document) {
        let path = path.replace("{id}", &service.record(DEPLOYED)["id"].to_string()).replace("{file}", "page.css");
        let target = target(&document, &path, call);
        let bodies = examples(call);
        assert_eq!(bodies.is_empty(), call.get("requestBody").is_none(), "{method} {path}");
        let responses = if bodies.is_empty() {
            vec![service.request(&method, &target, &[], None)]
        } else {
            let send = |(media_type, body): &(&str, String)| {
                service.request(&method, &target, &[("content-type", *media_type)], Some(body))
            };
            bodies.iter().map(send).collect()
        };
        for response in responses {
            assert!((200..300).contains(&response.status), "{method} {target}: {response:?}");
            assert!(statuses(call).contains(&response.status), "{method} {target}: {response:?}");
        }
    }
}

#[test]
fn every_documented_status_of_a_working_service_can_be_produced() {
    let service = Service::start();
    let document = document(&service);
    for (method, path, call) in calls(&document) {
        // http/timeouts.rs tests 408, the tests below test 401, 403 and 503, and nothing should cause a 500.
        for status in statuses(call).into_iter().filter(|status| ![401, 403, 408, 500, 503].contains(status)) {
            let response = produce_status(&service, &method, path, status);
            assert_eq!(response.status, status, "{method} {path}: {response:?}");
            let documented = resolve(&document, &call["responses"][status.to_string()]);
            for (name, header) in documented["headers"].as_object().into_iter().flatten() {
                let is_required = resolve(&document, header)["required"] == true;
                assert!(!is_required || response.header(&name.to_lowercase()).is_some(), "{name} of {response:?}");
            }
        }
    }
}

#[test]
fn exactly_the_calls_that_need_the_database_document_503() {
    let mut cluster = PrivateCluster::start();
    let service = Service::with_environment(&[("DATABASE_URL", &cluster.url())]);
    let document = document(&service);
    cluster.stop();
    for (method, path, call) in calls(&document) {
        let body = call.get("requestBody").map(|_| DEPLOYED);
        let response =
            service.request(&method, &path.replace("{id}", "1"), &[("content-type", "application/json")], body);
        assert_eq!(response.status == 503, statuses(call).contains(&503), "{method} {path}: {response:?}");
    }
}

#[test]
fn exactly_the_calls_that_need_a_token_document_401_and_those_with_a_scope_or_a_host_403() {
    let database = Database::new();
    let tokens = ["read", "write"].map(|scope| {
        let arguments = ["token", "create", scope, "--scope", scope];
        format!("Bearer {}", run(&arguments, &[("DATABASE_URL", &database.url())]).1.trim_end())
    });
    let (service, open) = (Service::with_database(&database), Service::start());
    let document = document(&service);
    for (method, path, call) in calls(&document) {
        let path = path.replace("{id}", "1").replace("{file}", "page.js");
        let body = call.get("requestBody").map(|_| DEPLOYED);
        let request = |headers: &[(&str, &str)]| service.request(&method, &path, headers, body);
        let other = if ["GET", "HEAD"].contains(&method.as_str()) { &tokens[1] } else { &tokens[0] };
        let documents = |status: u16| statuses(call).contains(&status);
        let (missing, weak) = (request(&[]), request(&[("authorization", other)]));
        assert_eq!((missing.status == 401, weak.status == 403), (documents(401), documents(401)), "{method} {path}");
        assert!(!documents(401) || missing.header("www-authenticate").and(weak.header("www-authenticate")).is_some());
        let foreign = open.request(&method, &format!("http://evil.example{path}"), &[], body);
        assert_eq!(foreign.status == 403 || weak.status == 403, documents(403), "{method} {path}: {foreign:?}");
    }
}
