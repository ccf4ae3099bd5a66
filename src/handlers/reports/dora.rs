//! `GET /api/dora`: the five DORA metrics of every component.

use hyper::StatusCode;
use serde::Serialize;

use super::{bounds, encode_report, window};
use crate::domain::cursor::NameCursor;
use crate::domain::dora::{DeployFigures, Metrics};
use crate::domain::window::Span;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request};
use crate::store::Store;

#[derive(Serialize)]
struct DoraReport<'a> {
    environment: &'a str,
    components: Vec<Metrics<'a>>,
}

pub async fn dora(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let zone = query.text("tz", 200);
    let page = Page::<NameCursor>::take(query);
    let mut bounds = bounds(query, "UTC".to_owned());
    if let Some(zone) = zone {
        match store.reports.time_zone(&zone).await? {
            Some(zone) => zone.clone_into(&mut bounds.zone),
            None => query.refuse("tz".to_owned(), "must be the IANA name of a time zone such as Europe/Lisbon"),
        }
    }
    query.finish()?;
    let window = window(store, &bounds).await?;
    let environment = environment.unwrap_or_else(|| "production".to_owned());
    let zoned = (&window, bounds.zone.as_str());
    let after = page.after.as_ref().map(|name| name.0.as_str());
    let mut figures = store.reports.dora(component.as_deref(), &environment, zoned, after, page.count()).await?;
    let next = page.cut(&mut figures, |last: &DeployFigures| Some(NameCursor(last.component.clone())));
    let span = Span::in_zone(&window, &bounds.zone);
    let components = figures.iter().map(|figures| Metrics::of(figures, &environment, &window, &span)).collect();
    let mut reply = reply::json(StatusCode::OK, &DoraReport { environment: &environment, components })?;
    let parameters = [
        ("component", component.as_deref()),
        ("environment", Some(environment.as_str())),
        ("tz", Some(bounds.zone.as_str())),
    ];
    page.link(&mut reply, "/api/dora", &encode_report(&parameters, &window), next);
    Ok(reply)
}
