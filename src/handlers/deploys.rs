//! `GET /api/deploys`: deploys, newest first.

use hyper::StatusCode;

use crate::domain::cursor::DeployCursor;
use crate::domain::deploy::State;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{ESCAPED, Page, Request, encode, encode_filter};
use crate::store::Store;

/// Each of these deploys can have 1,000 stages.
const MAX_WITH_STAGES: u32 = 100;

pub async fn list(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let filter = query.filter();
    let state = query.take("state", |name| {
        State::named(name).ok_or_else(|| "must be running, finished, stale or superseded".to_owned())
    });
    let stages = query.take("stages", |text| text.parse::<bool>().map_err(|_| "must be true or false".to_owned()));
    let page = Page::<DeployCursor>::take(query);
    if stages == Some(true) && page.limit > MAX_WITH_STAGES {
        query.refuse("limit".to_owned(), format!("must be a number from 1 to {MAX_WITH_STAGES} with stages"));
    }
    query.finish()?;
    let mut deploys = store.deploys.list(&filter, state, page.after, page.count()).await?;
    let next = page.cut(&mut deploys, |last| DeployCursor::of(&last.attempt));
    if stages == Some(true) {
        store.deploys.add_stages(&mut deploys).await?;
    }
    let mut reply = reply::json(StatusCode::OK, &deploys)?;
    let stages = stages.map(|stages| if stages { "true" } else { "false" });
    let parameters =
        encode_filter(&filter) + &encode(&[("state", state.map(State::name)), ("stages", stages)], ESCAPED);
    page.link(&mut reply, "/api/deploys", &parameters, next);
    Ok(reply)
}
