//! `GET /api/`: a page of records as JSON, or all records as CSV or NDJSON.

use hyper::{StatusCode, header};

use super::export::{self, Format};
use crate::domain::cursor::RecordCursor;
use crate::domain::record::Record;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request, encode_filter};
use crate::store::Store;

/// Lists the newest records first.
pub async fn list(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    let format = match request.negotiate(&["application/json", "text/csv", "application/x-ndjson"])? {
        0 => None,
        1 => Some(Format::Csv),
        _ => Some(Format::Ndjson),
    };
    let mut reply = match format {
        None => page(store, request).await?,
        Some(format) => export::all(store, request, format).await?,
    };
    reply.headers_mut().insert(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(reply)
}

async fn page(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    let filter = request.query.filter();
    let page = Page::take(&mut request.query);
    request.query.finish()?;
    let mut records = store.records.list(&filter, page.after, page.count()).await?;
    let next = page.cut(&mut records, |last: &Record| Some(RecordCursor::of(last)));
    let mut reply = reply::json(StatusCode::OK, &records)?;
    page.link(&mut reply, "/api/", &encode_filter(&filter), next);
    Ok(reply)
}
