//! `GET /api/current`: the current version of every component in every environment.

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
    let count = page.count();
    let mut keys = store.deploys.current(component, environment, page.after.clone(), count).await?;
    let next = page.cut(&mut keys, |last| last.of.1.clone());
    let deploys = store.deploys.clone();
    let read = move |keys: Vec<(i64, _)>| {
        let (deploys, ids) = (deploys.clone(), keys.into_iter().map(|(id, _)| id).collect::<Vec<_>>());
        async move { deploys.read_current(&ids).await }
    };
    let mut reply = reply::list(b"[".to_vec(), keys, b"]", read).await?;
    let parameters = encode(&[("component", component), ("environment", environment)], ESCAPED);
    page.link(&mut reply, "/api/current", &parameters, next);
    Ok(reply)
}
