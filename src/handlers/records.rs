//! `/api/` and `/api/{id}`: records.

mod export;
mod import;
mod list;

use chrono::Utc;
use hyper::{
    StatusCode,
    header::{self, HeaderName},
};

pub use import::read_lines;
pub use list::list;

use crate::domain::record::{Draft, FieldError, NewRecord, Origin, Record};
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{MediaType, Request, delivery_key, if_none_match, may_change, media_type};
use crate::store::{Delivered, Delivery, Store};

/// For one record.
const MAX_BODY_BYTES: usize = 64 << 10;

/// `POST /api/`: records one deploy event, or all lines of an NDJSON body.
pub async fn create(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let media_type = media_type(request.headers(), &["application/json", "application/x-ndjson"])?;
    if media_type == MediaType::Ndjson {
        return import::create(store, request).await;
    }
    let key = delivery_key(request.headers())?;
    let draft = draft(request, Origin::Post).await?;
    let record = NewRecord::from_draft(draft, Utc::now()).map_err(Error::Fields)?;
    request.caller.may_write(&record.component).map_err(refused)?;
    match store.writes.record(Delivery { record, key }).await? {
        Ok(Delivered { record, is_replay: false }) => {
            let mut reply = whole(StatusCode::CREATED, &record)?;
            reply::set(reply.headers_mut(), header::LOCATION, &format!("/api/{}", record.id));
            Ok(reply)
        }
        Ok(Delivered { record, is_replay: true }) => {
            let mut reply = whole(StatusCode::OK, &record)?;
            reply::set(reply.headers_mut(), HeaderName::from_static("idempotent-replayed"), "true");
            Ok(reply)
        }
        Err(fields) => Err(Error::KeysReused(reused_key("Idempotency-Key", &fields))),
    }
}

/// The errors for a key that belongs to a record with other content. `fields` are those that differ from the record.
fn reused_key(key: &'static str, fields: &[&'static str]) -> Vec<FieldError> {
    if fields.is_empty() {
        return vec![FieldError::new(key, "was used with other content, and its record has changed since")];
    }
    fields.iter().map(|field| FieldError::new(*field, "differs from the record with this key")).collect()
}

fn refused(error: FieldError) -> Error {
    Error::ComponentsRefused(vec![error])
}

/// `GET /api/{id}`
pub async fn read(store: &Store, id: i64, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    request.accepts_json()?;
    let record = store.records.read(id).await?;
    let etag = record.etag();
    if if_none_match(request.headers(), &etag) {
        return Ok(reply::not_modified(&etag));
    }
    whole(StatusCode::OK, &record)
}

/// `PUT /api/{id}` replaces what the sender set; `PATCH /api/{id}` changes the given fields.
pub async fn change(store: &Store, id: i64, origin: Origin, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let is_patch = origin == Origin::Patch;
    let supported: &[_] =
        if is_patch { &["application/merge-patch+json", "application/json"] } else { &["application/json"] };
    media_type(request.headers(), supported)?;
    let draft = draft(request, origin).await?;
    let (caller, headers) = (request.caller.clone(), request.headers().clone());
    let record = store.writes.change(id, request.caller.token_name(), move |record| {
        caller.may_write(&record.fields.component).map_err(refused)?;
        // RFC 9110, 13.2.1: preconditions are ignored if the request fails without them.
        let (draft, now) = (draft.clone(), Utc::now());
        let edited = if is_patch { record.patched(draft, now) } else { record.replaced(draft, now) };
        let edited = edited.map_err(Error::Fields)?;
        caller.may_write(&edited.component).map_err(refused)?;
        if may_change(&headers, record) { Ok(Some(edited)) } else { Err(Error::PreconditionFailed) }
    });
    whole(StatusCode::OK, &record.await?)
}

/// `DELETE /api/{id}`
pub async fn remove(store: &Store, id: i64, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    let (caller, headers) = (request.caller.clone(), request.headers().clone());
    let removed = store.writes.change(id, request.caller.token_name(), move |record| {
        caller.may_write(&record.fields.component).map_err(refused)?;
        if may_change(&headers, record) { Ok(None) } else { Err(Error::PreconditionFailed) }
    });
    removed.await?;
    Ok(reply::no_content())
}

async fn draft(request: &mut Request<'_>, origin: Origin) -> Result<Draft, Error> {
    let body = request.body(MAX_BODY_BYTES).await?;
    Draft::parse(&body, origin).map_err(|reason| Error::Malformed(format!("the body {reason}")))
}

fn whole(status: StatusCode, record: &Record) -> Result<Reply, Error> {
    let mut reply = reply::json(status, record)?;
    reply::set(reply.headers_mut(), header::ETAG, &record.etag());
    Ok(reply)
}
