//! The types and limits of the fields that a sender sets.

use serde_json::{Value, json};

use crate::harness::{Service, deployed_with};

/// The text fields and their limits in characters.
const TEXTS: [(&str, usize); 8] = [
    ("component", 200),
    ("version", 200),
    ("owner", 200),
    ("status", 200),
    ("environment", 200),
    ("run", 1_000),
    ("stage", 1_000),
    ("commit", 64),
];

#[test]
fn a_text_has_from_1_character_to_its_limit_in_characters() {
    let service = Service::start();
    for (field, limit) in TEXTS {
        for character in ["x", "é", "🚀"] {
            for length in [1, limit] {
                let text = character.repeat(length);
                assert_eq!(service.record(&deployed_with(&json!({ field: text })))[field], text);
            }
            let response = service.post(&deployed_with(&json!({ field: character.repeat(limit + 1) })));
            assert_eq!(response.bad_fields(400), [field], "{field} of {} times {character}", limit + 1);
        }
    }
}

#[test]
fn one_record_can_hold_every_text_at_its_limit() {
    let service = Service::start();
    let mut fields = json!({ "url": format!("https://{}", "é".repeat(1_992)) });
    for (field, limit) in TEXTS {
        fields[field] = json!("🚀".repeat(limit));
    }
    let record = service.record(&deployed_with(&fields));
    for (field, value) in fields.as_object().unwrap() {
        assert_eq!(&record[field], value);
    }
    assert_eq!(service.read(&record["id"]), record);
}

#[test]
fn a_control_character_is_an_error_that_names_the_field() {
    let service = Service::start();
    for control in ['\0', '\t', '\n', '\u{1f}', '\u{7f}', '\u{85}', '\u{9f}'] {
        for (field, _) in TEXTS {
            let response = service.post(&deployed_with(&json!({ field: format!("a{control}b") })));
            assert_eq!(response.bad_fields(400), [field], "{control:?}");
        }
        let response = service.post(&deployed_with(&json!({ "url": format!("https://ci/{control}") })));
        assert_eq!(response.bad_fields(400), ["url"], "{control:?}");
    }
}

#[test]
fn texts_are_not_trimmed() {
    let service = Service::start();
    for (field, _) in TEXTS {
        for text in [" web", "web ", " \u{a0}web\u{3000} "] {
            assert_eq!(service.record(&deployed_with(&json!({ field: text })))[field], text);
        }
    }
}

#[test]
fn a_blank_optional_field_is_left_out() {
    let service = Service::start();
    for field in ["environment", "run", "stage", "url", "commit", "committed_at", "started_at"] {
        for blank in ["", "  ", "\u{2003}", "\u{200b}", "\u{feff}\u{3164} \u{2800}"] {
            let record = service.record(&deployed_with(&json!({ field: blank })));
            assert_eq!(record.get(field), None, "{field} {blank:?}");
        }
    }
}

#[test]
fn a_url_is_an_http_or_https_link_of_at_most_2000_characters() {
    let service = Service::start();
    let longest = format!("http://{}", "ü".repeat(1_993));
    for url in [
        "http://ci",
        "https://ann@ci.example:8443/job/42?a=b&c=d#e",
        "HTTPS://CI.EXAMPLE/ü",
        "http://[::1]:80/",
        &longest,
    ] {
        assert_eq!(service.record(&deployed_with(&json!({ "url": url })))["url"], url);
    }
    let too_long = format!("{longest}x");
    for url in [
        "ci.example/job/42",
        "/job/42",
        "ftp://ci.example/",
        "javascript:alert(1)",
        "javascript://ci/%0aalert(1)",
        "data:text/html,http://ci",
        "httpx://ci",
        "http:/ci",
        "http://",
        "https:///job",
        " http://ci",
        "http://[::1",
        "http://[::g]/",
        "http://ci:65536/",
        "http://ci:https",
        "http://@/job",
        &too_long,
    ] {
        assert_eq!(service.post(&deployed_with(&json!({ "url": url }))).bad_fields(400), ["url"], "{url}");
    }
}

#[test]
fn unplanned_is_true_or_false() {
    let service = Service::start();
    for unplanned in [true, false] {
        assert_eq!(service.record(&deployed_with(&json!({ "unplanned": unplanned })))["unplanned"], unplanned);
    }
    for other in [json!("true"), json!(1), json!(""), json!([true])] {
        assert_eq!(
            service.post(&deployed_with(&json!({ "unplanned": other }))).bad_fields(400),
            ["unplanned"],
            "{other}"
        );
    }
}

#[test]
fn a_wrong_type_is_an_error_that_names_the_field() {
    let service = Service::start();
    let texts = TEXTS.iter().map(|(field, _)| *field);
    for field in texts.chain(["url", "committed_at", "started_at", "finished_at"]) {
        for other in [json!(7), json!(1.5), json!(-1), json!(true), json!(["web"]), json!({ "name": "web" })] {
            let response = service.post(&deployed_with(&json!({ field: other })));
            assert_eq!(response.bad_fields(400), [field], "{other}");
        }
    }
    assert_eq!(service.all_records(), [] as [Value; 0]);
}
