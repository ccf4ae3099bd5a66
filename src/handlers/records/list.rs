//! `GET /api/`: a page of records as JSON, or all records as CSV or NDJSON.

use hyper::header;

use super::export::{self, Format};
use crate::domain::cursor::RecordCursor;
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
    let mut keys = store.lists.records(&filter, page.after, page.count()).await?;
    let next = page.cut(&mut keys, |last| Some(last.of));
    let lists = store.lists.clone();
    let read = move |keys: Vec<RecordCursor>| {
        let lists = lists.clone();
        async move { lists.read_records(&keys).await }
    };
    let mut reply = reply::list(b"[".to_vec(), keys, b"]", read).await?;
    page.link(&mut reply, "/api/", &encode_filter(&filter), next);
    Ok(reply)
}
