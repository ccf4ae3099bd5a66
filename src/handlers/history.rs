//! `GET /api/{id}/history`: earlier versions of a record, newest first.

use hyper::StatusCode;

use crate::domain::cursor::HistoryCursor;
use crate::domain::history::Entry;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request};
use crate::store::Store;

pub async fn list(store: &Store, id: i64, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let page = Page::take(&mut request.query);
    request.query.finish()?;
    let mut entries = store.records.history(id, page.after.map(|cursor: HistoryCursor| cursor.0), page.count()).await?;
    let next = page.cut(&mut entries, |last: &Entry| Some(HistoryCursor(last.at)));
    let mut reply = reply::json(StatusCode::OK, &entries)?;
    page.link(&mut reply, &format!("/api/{id}/history"), "", next);
    Ok(reply)
}
