//! `GET /api/{id}/history`: earlier versions of a record, newest first.

use crate::domain::cursor::HistoryCursor;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request};
use crate::store::Store;

pub async fn list(store: &Store, id: i64, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let page = Page::take(&mut request.query);
    request.query.finish()?;
    let mut keys = store.records.history(id, page.after.map(|cursor: HistoryCursor| cursor.0), page.count()).await?;
    let next = page.cut(&mut keys, |last| Some(HistoryCursor(last.of)));
    let records = store.records.clone();
    let read = move |times: Vec<_>| {
        let records = records.clone();
        async move { records.entries(id, &times).await }
    };
    let mut reply = reply::list(b"[".to_vec(), keys, b"]", read).await?;
    page.link(&mut reply, &format!("/api/{id}/history"), "", next);
    Ok(reply)
}
