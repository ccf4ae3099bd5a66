//! Whether the process is up, and whether it can do its work.

use hyper::StatusCode;
use serde_json::json;

use crate::{
    error::Error,
    reply::{self, Reply},
    request::Query,
    store::Store,
};

/// `GET /livez`: the process is up.
pub fn live(query: Option<&str>) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    reply::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// `GET /readyz`: the database answers and the schema is there; else 503.
pub async fn ready(store: &Store, query: Option<&str>) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    store.ping().await?;
    reply::json(StatusCode::OK, &json!({ "status": "ready" }))
}
