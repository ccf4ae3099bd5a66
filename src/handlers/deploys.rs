//! `/api/deploys`

use hyper::{HeaderMap, StatusCode, header};

use super::records::{as_query, filter, page_limit};
use crate::{
    domain::cursor::DeployCursor,
    domain::deploy::State,
    error::Error,
    reply::{self, Reply},
    request::{Query, preferred},
    store::Store,
};

/// How many deploys are answered with their stages, of which each may have 1,000.
const MAX_WITH_STAGES: u32 = 100;

/// `GET /api/deploys`: the newest first, with a link to the next page.
pub async fn list(store: &Store, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    if preferred(headers, &["application/json"]).is_none() {
        return Err(Error::NotAcceptable("application/json".to_owned()));
    }
    let mut query = Query::parse(query);
    let filter = filter(&mut query);
    let state = query.take("state", |name| {
        State::named(name).ok_or_else(|| "must be running, finished, stale or superseded".to_owned())
    });
    let stages = query.take("stages", |text| text.parse().map_err(|_| "must be true or false".to_owned()));
    let after = query.take("cursor", |text| DeployCursor::parse(text).ok_or_else(|| "is none of this call".to_owned()));
    let limit = page_limit(&mut query);
    if stages == Some(true) && limit > MAX_WITH_STAGES {
        query.refuse("limit".to_owned(), format!("must be a number from 1 to {MAX_WITH_STAGES} with stages"));
    }
    query.finish()?;
    let page = store.reads.deploys(&filter, state, stages.unwrap_or(false), after, limit).await?;
    let mut reply = reply::json(StatusCode::OK, &page.deploys)?;
    if let Some(next) = page.next {
        let mut asked = as_query(&filter);
        if let Some(state) = state {
            asked.extend(["state=", state.name(), "&"]);
        }
        if let Some(stages) = stages {
            asked.extend(["stages=", if stages { "true" } else { "false" }, "&"]);
        }
        let link = format!("</api/deploys?{asked}limit={limit}&cursor={next}>; rel=\"next\"");
        reply::set(reply.headers_mut(), header::LINK, &link);
    }
    Ok(reply)
}
