//! `POST /api/` with NDJSON: records all lines or none.

use chrono::Utc;
use hyper::StatusCode;
use serde_json::json;

use crate::domain::record::{Draft, FieldError, NewRecord, Origin};
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::store::{Delivery, Imported, Store};

const MAX_BODY_BYTES: usize = 8 << 20;
const MAX_LINES: usize = 10_000;
const MAX_ERRORS: usize = 100;

/// Returns the number of lines recorded and replayed, and the ids in the order of the lines.
pub async fn create(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    if request.headers().contains_key("idempotency-key") {
        let reason = "is for a single record: in NDJSON each line has its own idempotency_key";
        return Err(Error::Fields(vec![FieldError::new("Idempotency-Key", reason)]));
    }
    let body = request.body(MAX_BODY_BYTES).await?;
    let (lines, deliveries) = read_lines(&body)?;
    let forbidden = lines.iter().zip(&deliveries).filter_map(|(line, delivery)| {
        let error = request.caller.may_write(&delivery.record.component).err();
        error.map(|error| error.in_line(*line))
    });
    let forbidden: Vec<_> = forbidden.take(MAX_ERRORS).collect();
    if !forbidden.is_empty() {
        return Err(Error::ComponentsRefused(forbidden));
    }
    match store.writes.import(deliveries).await? {
        Ok(Imported { ids, replayed }) => {
            let counts = json!({ "recorded": ids.len() - replayed, "replayed": replayed, "ids": ids });
            reply::json(StatusCode::CREATED, &counts)
        }
        Err(reused) => {
            let errors = reused.into_iter().flat_map(|(delivery, fields)| {
                let line = lines[delivery];
                let errors = super::reused_key("idempotency_key", &fields);
                errors.into_iter().map(move |error| error.in_line(line))
            });
            Err(Error::KeysReused(errors.take(MAX_ERRORS).collect()))
        }
    }
}

/// The deliveries, and the line number of each, counted from 1.
pub fn read_lines(body: &[u8]) -> Result<(Vec<usize>, Vec<Delivery>), Error> {
    let is_blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    let lines = || body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !is_blank(line));
    if lines().nth(MAX_LINES).is_some() {
        return Err(Error::TooLarge(format!("{MAX_LINES} lines").into()));
    }
    let now = Utc::now();
    let (mut numbers, mut deliveries, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (index, json) in lines() {
        match delivery(json, now) {
            Ok(delivery) => {
                numbers.push(index + 1);
                deliveries.push(delivery);
            }
            Err(wrong) => errors.extend(wrong.into_iter().map(|error| error.in_line(index + 1))),
        }
        if errors.len() >= MAX_ERRORS {
            errors.truncate(MAX_ERRORS);
            break;
        }
    }
    if !errors.is_empty() {
        return Err(Error::Fields(errors));
    }
    if deliveries.is_empty() {
        return Err(Error::Malformed("the body has no lines".to_owned()));
    }
    Ok((numbers, deliveries))
}

fn delivery(json: &[u8], now: chrono::DateTime<Utc>) -> Result<Delivery, Vec<FieldError>> {
    let mut draft = Draft::parse(json, Origin::Line).map_err(|reason| vec![FieldError::new("", reason)])?;
    let key = draft.idempotency_key.take();
    Ok(Delivery { record: NewRecord::from_draft(draft, now)?, key })
}
