//! `/api/` and `/api/{id}`.

mod export;
mod import;
mod list;

use chrono::Utc;
use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName},
};

pub use import::read_lines;
pub use list::list;
pub(super) use list::{as_query, filter, page_limit};

use crate::{
    domain::caller::Caller,
    domain::record::{Draft, FieldError, NewRecord, Origin, Record},
    error::Error,
    reply::{self, Reply},
    request::{self, MediaType, Payload, Query, delivery_key, media_type},
    store::{Delivered, Delivery, Store},
};

/// Of one record.
const MAX_BODY_BYTES: usize = 64 << 10;

/// `POST /api/`: records one, or every line of an NDJSON body.
pub async fn create(
    store: &Store,
    caller: &Caller,
    query: Option<&str>,
    headers: &HeaderMap,
    payload: &mut Payload<'_>,
) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    if media_type(headers, &["application/json", "application/x-ndjson"])? == MediaType::Ndjson {
        return import::create(store, caller, headers, payload).await;
    }
    let key = delivery_key(headers)?;
    let draft = draft(payload, Origin::Post).await?;
    let record = NewRecord::from_draft(draft, Utc::now()).map_err(Error::Fields)?;
    caller.may_write(&record.component).map_err(Error::ComponentRefused)?;
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
        Err(fields) => Err(Error::KeyReused(reused_key("Idempotency-Key", &fields))),
    }
}

/// The errors for a key that belongs to other content: the fields that differ from the record as it is.
fn reused_key(key: &'static str, fields: &[&'static str]) -> Vec<FieldError> {
    if fields.is_empty() {
        return vec![FieldError::new(key, "stands for other content, and the record was changed since")];
    }
    fields.iter().map(|field| FieldError::new(*field, "differs from the record that has this key")).collect()
}

/// `GET /api/{id}`
pub async fn read(store: &Store, id: i64, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    if request::preferred(headers, &["application/json"]).is_none() {
        return Err(Error::NotAcceptable("application/json".to_owned()));
    }
    let record = store.reads.record(id).await?;
    let etag = record.etag();
    if request::if_none_match(headers, &etag) {
        return Ok(reply::not_modified(&etag));
    }
    whole(StatusCode::OK, &record)
}

/// `PUT /api/{id}` replaces what the sender set, `PATCH /api/{id}` changes the fields given.
pub async fn change(
    store: &Store,
    caller: &Caller,
    id: i64,
    origin: Origin,
    query: Option<&str>,
    headers: &HeaderMap,
    payload: &mut Payload<'_>,
) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    let is_patch = origin == Origin::Patch;
    let supported: &[_] =
        if is_patch { &["application/merge-patch+json", "application/json"] } else { &["application/json"] };
    media_type(headers, supported)?;
    let draft = draft(payload, origin).await?;
    let (bounds, headers) = (caller.clone(), headers.clone());
    let record = store.writes.change(id, caller.token_name(), move |record| {
        bounds.may_write(&record.fields.component).map_err(Error::ComponentRefused)?;
        // A condition is of no account for a request that fails without it.
        let (draft, now) = (draft.clone(), Utc::now());
        let edited = if is_patch { record.patched(draft, now) } else { record.replaced(draft, now) };
        let edited = edited.map_err(Error::Fields)?;
        bounds.may_write(&edited.component).map_err(Error::ComponentRefused)?;
        if request::may_change(&headers, record) { Ok(Some(edited)) } else { Err(Error::PreconditionFailed) }
    });
    whole(StatusCode::OK, &record.await?)
}

/// `DELETE /api/{id}`
pub async fn remove(
    store: &Store,
    caller: &Caller,
    id: i64,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    let (bounds, headers) = (caller.clone(), headers.clone());
    let removed = store.writes.change(id, caller.token_name(), move |record| {
        bounds.may_write(&record.fields.component).map_err(Error::ComponentRefused)?;
        if request::may_change(&headers, record) { Ok(None) } else { Err(Error::PreconditionFailed) }
    });
    removed.await?;
    Ok(reply::no_content())
}

async fn draft(payload: &mut Payload<'_>, origin: Origin) -> Result<Draft, Error> {
    let body = payload.read(MAX_BODY_BYTES).await?;
    Draft::parse(&body, origin).map_err(|reason| Error::Malformed(format!("the body {reason}")))
}

fn whole(status: StatusCode, record: &Record) -> Result<Reply, Error> {
    let mut reply = reply::json(status, record)?;
    reply::set(reply.headers_mut(), header::ETAG, &record.etag());
    Ok(reply)
}
