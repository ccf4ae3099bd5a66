//! `GET /api/durations`

use hyper::{HeaderMap, StatusCode};
use serde::Serialize;

use super::{Place, Span, bounds, link_next, rounded, wants_json, window};
use crate::{
    domain::{
        durations::{By, DurationFigures, NamedDurations},
        window::Window,
    },
    error::Error,
    reply::{self, Reply},
    request::Query,
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

/// How long succeeded deploys or stages took, and in the window before.
pub async fn durations(store: &Store, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    wants_json(headers)?;
    let mut query = Query::parse(query);
    let by = query.take("by", |name| {
        By::named(name).ok_or_else(|| "must be component, stage, environment, owner or version".to_owned())
    });
    let by = by.unwrap_or(By::Component);
    let (component, environment) = (query.text("component", 200), query.text("environment", 200));
    let place = Place::take(&mut query);
    let bounds = bounds(&mut query, "UTC".to_owned());
    query.finish()?;
    let window = window(store, &bounds).await?;
    let filter = (component.as_deref(), environment.as_deref());
    let mut groups = store.reads.durations(by, filter, &window, place.after.as_deref(), place.limit).await?;
    let has_more = groups.len() > place.limit as usize;
    groups.truncate(place.limit as usize);
    // One without a name is the last of all.
    let last = groups.last().filter(|_| has_more).and_then(|group| group.name.clone());
    let mut reply = answer(by, &window, groups)?;
    if let Some(last) = last {
        let parameters = [("by", Some(by.name())), ("component", filter.0), ("environment", filter.1)];
        link_next(&mut reply, "/api/durations", &parameters, &window, (&last, place.limit));
    }
    Ok(reply)
}

fn answer(by: By, window: &Window, groups: Vec<NamedDurations>) -> Result<Reply, Error> {
    let report = Report {
        by: by.name(),
        window: Span::new(window.since, window.until),
        before: Span::new(window.before(), window.since),
        groups: groups
            .into_iter()
            .map(|group| Group { name: group.name, window: figures(&group.now), before: figures(&group.before) })
            .collect(),
    };
    reply::json(StatusCode::OK, &report)
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
