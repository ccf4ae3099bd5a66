//! `GET /api/dora`

use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{Place, bounds, link_next, wants_json, window};
use crate::{
    domain::{
        dora::{Metrics, ZonedSpan},
        record::format_time,
    },
    error::Error,
    reply::{self, Reply},
    request::Query,
    store::Store,
};

const ENVIRONMENT: &str = "production";
const ZONE: &str = "UTC";

#[derive(Serialize)]
struct Report<'a> {
    environment: &'a str,
    components: Vec<Metrics<'a>>,
}

/// The five metrics of every component.
pub async fn dora(store: &Store, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    wants_json(headers)?;
    let mut query = Query::parse(query);
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let zone = query.text("tz", 200);
    let place = Place::take(&mut query);
    let mut bounds = bounds(&mut query, ZONE.to_owned());
    if let Some(zone) = zone {
        match store.reads.time_zone(&zone).await? {
            Some(zone) => zone.clone_into(&mut bounds.zone),
            None => query.refuse("tz".to_owned(), "must be a time zone's IANA name such as Europe/Lisbon"),
        }
    }
    query.finish()?;
    let window = window(store, &bounds).await?;
    let environment = environment.unwrap_or_else(|| ENVIRONMENT.to_owned());
    let place_after = place.after.as_deref();
    let zoned = (&window, bounds.zone.as_str());
    let mut all =
        store.reads.deploy_figures(component.as_deref(), &environment, zoned, place_after, place.limit).await?;
    let has_more = all.len() > place.limit as usize;
    all.truncate(place.limit as usize);
    let (since, until) = (format_time(window.since), format_time(window.until));
    let span = ZonedSpan { since, until, tz: bounds.zone.clone() };
    let components = all.iter().map(|figures| Metrics::of(figures, &environment, &window, &span)).collect();
    let mut reply = reply::json(StatusCode::OK, &Report { environment: &environment, components })?;
    if let Some(last) = all.last().filter(|_| has_more) {
        let parameters = [
            ("component", component.as_deref()),
            ("environment", Some(environment.as_str())),
            ("tz", Some(bounds.zone.as_str())),
        ];
        link_next(&mut reply, "/api/dora", &parameters, &window, (&last.component, place.limit));
    }
    Ok(reply)
}
