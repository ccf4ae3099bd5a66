//! A record as JSON in POST, PUT and PATCH.

use chrono::{DateTime, Utc};
use deploylog::domain::record::{Draft, FieldError, NewRecord, Origin, Phase, Record, is_blank};
use serde_json::Value;

/// `data` is a body.
pub fn target(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data).ok();
    for origin in [Origin::Post, Origin::Put, Origin::Patch, Origin::Line] {
        match Draft::parse(data, origin) {
            Ok(draft) => {
                assert!(data.trim_ascii_start().starts_with(b"{"));
                draft.errors.iter().for_each(check_error);
                if draft.idempotency_key.is_some() {
                    assert_eq!(origin, Origin::Line);
                }
            }
            Err(reason) => {
                assert!(!value.as_ref().is_some_and(Value::is_object), "{reason}");
                let byte = reason.rsplit_once(" at byte ").map(|(_, byte)| byte.parse::<usize>().unwrap());
                assert!(byte.is_none_or(|byte| (1..=data.len() + 1).contains(&byte)), "{reason}");
                return;
            }
        }
    }
    let parsed = |origin| NewRecord::from_draft(Draft::parse(data, origin).unwrap(), now());
    let existing = existing_records();
    for result in [parsed(Origin::Post), parsed(Origin::Put)] {
        match result {
            Ok(record) => check(&record),
            Err(errors) => {
                assert!(!errors.is_empty());
                errors.iter().for_each(check_error);
            }
        }
    }
    for record in &existing {
        let replaced = record.replaced(Draft::parse(data, Origin::Put).unwrap(), now());
        let patched = record.patched(Draft::parse(data, Origin::Patch).unwrap(), now());
        for changed in [replaced, patched].into_iter().flatten() {
            check(&changed);
        }
    }
}

/// Stored records of each kind.
fn existing_records() -> Vec<Record> {
    let times = ["", r#","started_at":"2026-01-01T00:00:00Z""#, r#","finished_at":"2026-01-01T00:00:01Z""#];
    let mut all = Vec::new();
    for status in ["started", "deployed", "queued"] {
        for times in times {
            let json = format!(r#"{{"component":"a","version":"b","owner":"c","status":"{status}","run":"d"{times}}}"#);
            let fields = NewRecord::from_draft(Draft::parse(json.as_bytes(), Origin::Post).unwrap(), now());
            all.extend(fields.map(|fields| record(fields, None)));
        }
    }
    all
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_000_000).unwrap()
}

fn record(fields: NewRecord, start_id: Option<i64>) -> Record {
    Record { id: 7, fields, start_id, recorded_at: now(), updated_at: now() }
}

/// An error has a reason and names a known field, unless the reason is that the field is unknown or repeated.
pub fn check_error(error: &FieldError) {
    let is_known = Record::columns().any(|name| name == error.field) || error.field == "idempotency_key";
    assert!(!error.reason.is_empty());
    assert!(is_known || ["is not a field of a record", "is given twice"].contains(&&*error.reason), "{error:?}");
}

/// An accepted record is within the limits, and sending back its response gives the same record.
pub fn check(fields: &NewRecord) {
    let required = [&fields.component, &fields.version, &fields.owner, &fields.status];
    let short = required.into_iter().chain(&fields.environment);
    let long = fields.run.iter().chain(&fields.stage);
    let texts = short.map(|text| (text, 200)).chain(long.map(|text| (text, 1_000)));
    let texts =
        texts.chain(fields.url.iter().map(|url| (url, 2_000))).chain(fields.commit.iter().map(|text| (text, 64)));
    for (text, limit) in texts {
        assert!(text.chars().count() <= limit && !text.chars().any(char::is_control), "{text:?}");
        assert!(!is_blank(text));
    }
    assert!(fields.url.as_ref().is_none_or(|url| url.to_ascii_lowercase().starts_with("http")));
    assert_eq!(fields.phase, Phase::of_status(&fields.status));
    assert!(fields.phase != Phase::Started || fields.finished_at.is_none());

    let stored = record(fields.clone(), None);
    let duration = stored.duration_ms();
    assert!(duration.is_none_or(|duration| duration >= 0));
    assert_eq!(fields.phase.stops(), duration.is_some() || stored.duration_missing().is_some());
    let json = serde_json::to_vec(&stored).unwrap();
    let response: Value = serde_json::from_slice(&json).unwrap();
    assert!(response.get("duration_seconds").is_none_or(|seconds| seconds.as_f64().is_some_and(f64::is_finite)));
    for origin in [Origin::Put, Origin::Line] {
        let again = NewRecord::from_draft(Draft::parse(&json, origin).unwrap(), now()).unwrap();
        assert_eq!(again, *fields);
        assert_eq!(again.content_digest(), fields.content_digest());
        assert_eq!(again.deploy_digest(), fields.deploy_digest());
        assert!(again.differences(fields).is_empty());
    }
    assert!(stored.differences(fields).is_empty());
    // An empty patch changes nothing.
    let empty = Draft::parse(b"{}", Origin::Patch).unwrap();
    assert_eq!(stored.patched(empty, now()).as_ref(), Ok(fields));
    // A start time taken from another record does not become an own time when it is sent back.
    if fields.phase.stops() && fields.started_at.is_some() {
        let json = serde_json::to_vec(&record(fields.clone(), Some(3))).unwrap();
        let again = NewRecord::from_draft(Draft::parse(&json, Origin::Put).unwrap(), now()).unwrap();
        assert_eq!(again, NewRecord { started_at: None, ..fields.clone() });
    }
}
