//! `GET /api/durations`: how long succeeded deploys or stages took, worked or waited, in a window and in the window before
//! it.

use hyper::StatusCode;
use serde::Serialize;

use super::{bounds, encode_report, window};
use crate::domain::cursor::NameCursor;
use crate::domain::durations::{By, DurationGroup, Of};
use crate::domain::window::Span;
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request};
use crate::store::Store;

#[derive(Serialize)]
struct DurationsReport<'a> {
    by: &'a str,
    window: Span,
    before: Span,
    groups: Vec<DurationGroup>,
}

pub async fn durations(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let by = query.take("by", |name| {
        By::named(name).ok_or_else(|| "must be component, stage, environment, owner or version".to_owned())
    });
    let by = by.unwrap_or(By::Component);
    let of = query.take("of", |name| Of::named(name).ok_or_else(|| "must be duration, work or waited".to_owned()));
    let of = of.unwrap_or(Of::Duration);
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let page = Page::<NameCursor>::take(query);
    let bounds = bounds(query, "UTC".to_owned());
    query.finish()?;
    let window = window(store, &bounds).await?;
    let filter = (component.as_deref(), environment.as_deref());
    let after = page.after.as_ref().map(|name| name.0.as_str());
    let (mut groups, is_cut) = store.reports.durations((by, of), filter, &window, after, page.count()).await?;
    // The group without a name is the last of all.
    let cursor = |last: &DurationGroup| last.name.clone().map(NameCursor);
    let next = page.cut(&mut groups, cursor).or_else(|| groups.last().filter(|_| is_cut).and_then(cursor));
    let report = DurationsReport {
        by: by.name(),
        window: Span::new(window.since, window.until),
        before: Span::new(window.before(), window.since),
        groups,
    };
    let mut reply = reply::json(StatusCode::OK, &report)?;
    let parameters =
        [("by", Some(by.name())), ("of", Some(of.name())), ("component", filter.0), ("environment", filter.1)];
    page.link(&mut reply, "/api/durations", &encode_report(&parameters, &window), next);
    Ok(reply)
}
