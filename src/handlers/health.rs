//! `GET /livez` and `GET /readyz`.

use hyper::StatusCode;
use serde_json::json;

use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::Query;
use crate::store::Store;

/// The process is up.
pub fn live(query: &mut Query) -> Result<Reply, Error> {
    query.finish()?;
    reply::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// The database answers and its schema is current.
pub async fn ready(store: &Store, query: &mut Query) -> Result<Reply, Error> {
    query.finish()?;
    store.ping().await?;
    reply::json(StatusCode::OK, &json!({ "status": "ready" }))
}
