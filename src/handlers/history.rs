//! `/api/{id}/history`

use hyper::{HeaderMap, StatusCode, header};

use super::records::page_limit;
use crate::{
    domain::cursor::HistoryCursor,
    error::Error,
    reply::{self, Reply},
    request::{Query, preferred},
    store::Store,
};

/// `GET /api/{id}/history`: what the record was, newest first, with a link to the next page.
pub async fn list(store: &Store, id: i64, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    if preferred(headers, &["application/json"]).is_none() {
        return Err(Error::NotAcceptable("application/json".to_owned()));
    }
    let mut query = Query::parse(query);
    let after =
        query.take("cursor", |text| HistoryCursor::parse(text).ok_or_else(|| "is none of this call".to_owned()));
    let limit = page_limit(&mut query);
    query.finish()?;
    let page = store.reads.history(id, after, limit).await?;
    let mut reply = reply::json(StatusCode::OK, &page.entries)?;
    if let Some(next) = page.next {
        let link = format!("</api/{id}/history?limit={limit}&cursor={next}>; rel=\"next\"");
        reply::set(reply.headers_mut(), header::LINK, &link);
    }
    Ok(reply)
}
