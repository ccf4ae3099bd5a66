//! `GET /api/current`: the current version of every component in every environment.

use hyper::StatusCode;

use crate::domain::cursor::CurrentCursor;
use crate::domain::deploy::Current;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{ESCAPED, Page, Request, encode};
use crate::store::Store;

pub async fn list(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let page = Page::take(query);
    query.finish()?;
    let (component, environment) = (component.as_deref(), environment.as_deref());
    let mut versions = store.deploys.current(component, environment, page.after.as_ref(), page.count()).await?;
    let next = page.cut(&mut versions, |last: &Current| Some(CurrentCursor::of(last)));
    let mut reply = reply::json(StatusCode::OK, &versions)?;
    let parameters = encode(&[("component", component), ("environment", environment)], ESCAPED);
    page.link(&mut reply, "/api/current", &parameters, next);
    Ok(reply)
}
