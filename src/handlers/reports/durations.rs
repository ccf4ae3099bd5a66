//! `GET /api/durations`: how long succeeded deploys or stages took, in a window and in the window before it.

use hyper::StatusCode;
use serde::Serialize;

use super::{Span, bounds, encode_report, window};
use crate::{
    domain::{
        cursor::NameCursor,
        dora::rounded,
        durations::{By, DurationFigures, NamedDurations},
        window::Window,
    },
    error::Error,
    reply::{self, Reply},
    request::{Page, Request},
    store::Store,
};

#[derive(Serialize)]
struct Report<'a> {
    by: &'a str,
    window: Span,
    before: Span,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    name: Option<String>,
    window: Figures,
    before: Figures,
}

#[derive(Serialize)]
struct Figures {
    count: i64,
    without_duration: i64,
    p50_seconds: Option<f64>,
    p90_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    max_seconds: Option<f64>,
    mean_seconds: Option<f64>,
}

pub async fn durations(store: &Store, request: &mut Request<'_>) -> Result<Reply, Error> {
    request.accepts_json()?;
    let query = &mut request.query;
    let by = query.take("by", |name| {
        By::named(name).ok_or_else(|| "must be component, stage, environment, owner or version".to_owned())
    });
    let by = by.unwrap_or(By::Component);
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let page = Page::<NameCursor>::take(query);
    let bounds = bounds(query, "UTC".to_owned());
    query.finish()?;
    let window = window(store, &bounds).await?;
    let filter = (component.as_deref(), environment.as_deref());
    let after = page.after.as_ref().map(|name| name.0.as_str());
    let mut groups = store.reports.durations(by, filter, &window, after, page.count()).await?;
    // The group without a name is the last of all.
    let next = page.cut(&mut groups, |last: &NamedDurations| last.name.clone().map(NameCursor));
    let mut reply = reply::json(StatusCode::OK, &report(by, &window, groups))?;
    let parameters = [("by", Some(by.name())), ("component", filter.0), ("environment", filter.1)];
    page.link(&mut reply, "/api/durations", &encode_report(&parameters, &window), next);
    Ok(reply)
}

fn report(by: By, window: &Window, groups: Vec<NamedDurations>) -> Report<'static> {
    let groups = groups.into_iter();
    Report {
        by: by.name(),
        window: Span::new(window.since, window.until),
        before: Span::new(window.before(), window.since),
        groups: groups
            .map(|group| Group { name: group.name, window: figures(&group.now), before: figures(&group.before) })
            .collect(),
    }
}

fn figures(figures: &DurationFigures) -> Figures {
    let percentile = |index: usize| figures.percentiles.map(|all| rounded(all[index]));
    Figures {
        count: figures.count,
        without_duration: figures.without_duration,
        p50_seconds: percentile(0),
        p90_seconds: percentile(1),
        p95_seconds: percentile(2),
        max_seconds: percentile(3),
        mean_seconds: figures.mean.map(rounded),
    }
}
