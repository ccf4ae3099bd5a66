//! Bodies that are not JSON, and JSON that is not a record.

use serde_json::Value;

use crate::harness::{DEPLOYED, Service};

#[test]
fn invalid_json_is_an_error_that_names_the_byte() {
    let service = Service::start();
    let id = service.record(DEPLOYED)["id"].clone();
    for (body, byte) in [
        ("x", 1),
        (r#"{"component":x}"#, 14),
        (r#"{"component":"é🚀",}"#, 23),
        ("{\n\"component\":\n\n\"web\" \"x\"}", 23),
        (r#"{"component":"web"}}"#, 20),
        (r#"{"component":"w\x"}"#, 17),
        ("{\"component\":\"a\nb\"}", 16),
        (r#"{"component":'web'}"#, 14),
        (r#"{component:"web"}"#, 2),
        (r#"{"run":NaN}"#, 8),
    ] {
        for response in [
            service.post(body),
            service.send_json("PUT", &format!("/api/{id}"), body),
            service.send_json("PATCH", &format!("/api/{id}"), body),
        ] {
            let detail = response.problem(400);
            assert!(detail.ends_with(&format!("at byte {byte}")), "{body}: {detail}");
        }
    }
}

#[test]
fn truncated_json_is_an_error_that_names_its_end() {
    let service = Service::start();
    for (length, _) in DEPLOYED.char_indices() {
        let detail = service.post(&DEPLOYED[..length]).problem(400);
        let byte: usize = detail.rsplit("byte ").next().and_then(|byte| byte.parse().ok()).expect("a byte");
        assert!([length, length + 1].contains(&byte), "{length}: {detail}");
    }
    assert_eq!(service.all_records(), [] as [Value; 0]);
}

#[test]
fn invalid_utf_8_is_an_error_that_names_the_byte() {
    let service = Service::start();
    let json = [("content-type", "application/json")];
    for bytes in [&b"\xff"[..], b"\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"] {
        let before = r#"{"component":"é"#;
        let body = [before.as_bytes(), bytes, br#""}"#].concat();
        let detail = service.connect().request("POST", "/api/", &json, Some(&body)).problem(400);
        assert!(detail.ends_with(&format!("at byte {}", before.len() + 1)), "{bytes:?}: {detail}");
    }
    let lone_surrogate = r#"{"component":"\ud800"}"#;
    assert!(service.post(lone_surrogate).problem(400).contains("byte"));
}

#[test]
fn json_other_than_an_object_is_an_error() {
    let service = Service::start();
    let id = service.record(DEPLOYED)["id"].clone();
    for body in ["[]", "7", "null", "true", r#""web""#, &format!("[{DEPLOYED}]")] {
        assert!(service.post(body).problem(400).contains("body"), "{body}");
        assert!(service.send_json("PUT", &format!("/api/{id}"), body).problem(400).contains("body"), "{body}");
        assert!(service.send_json("PATCH", &format!("/api/{id}"), body).problem(400).contains("body"), "{body}");
    }
}

#[test]
fn deeply_nested_json_is_an_error_and_does_not_crash_the_service() {
    let service = Service::start();
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = 60_000 / open.len() / 2;
        let body = DEPLOYED.replace('}', &format!(r#","run":{}1{}}}"#, open.repeat(depth), close.repeat(depth)));
        service.post(&body).problem(400);
    }
    service.record(DEPLOYED);
}
