//! `/api/current`

use hyper::{HeaderMap, StatusCode, header};

use super::records::{as_query, page_limit};
use crate::{
    domain::cursor::Place,
    domain::filter::Filter,
    error::Error,
    reply::{self, Reply},
    request::{Query, preferred},
    store::Store,
};

/// `GET /api/current`: what runs where, by component and environment, with a link to the next page.
pub async fn list(store: &Store, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    if preferred(headers, &["application/json"]).is_none() {
        return Err(Error::NotAcceptable("application/json".to_owned()));
    }
    let mut query = Query::parse(query);
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let after = query.take("cursor", |text| Place::parse(text).ok_or_else(|| "is none of this call".to_owned()));
    let limit = page_limit(&mut query);
    query.finish()?;
    let page = store.reads.current(component.as_deref(), environment.as_deref(), after.as_ref(), limit).await?;
    let mut reply = reply::json(StatusCode::OK, &page.places)?;
    if let Some(next) = page.next {
        let asked = as_query(&Filter { component, environment, ..Filter::default() });
        let link = format!("</api/current?{asked}limit={limit}&cursor={next}>; rel=\"next\"");
        reply::set(reply.headers_mut(), header::LINK, &link);
    }
    Ok(reply)
}
