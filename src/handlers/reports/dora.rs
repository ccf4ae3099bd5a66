//! `GET /api/dora`: the five DORA metrics of every component.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{bounds, encode_report, window};
use crate::domain::cursor::NameCursor;
use crate::domain::dora::{DeployFigures, Metrics};
use crate::domain::window::{Span, Window};
use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Page, Request};
use crate::store::{Reports, Store};

/// What all parts of a report share.
struct DoraReport {
    reports: Arc<Reports>,
    environment: String,
    zone: String,
    window: Window,
    span: Span,
}

struct ComponentReport {
    figures: DeployFigures,
    report: Arc<DoraReport>,
}

impl Serialize for ComponentReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let DoraReport { environment, window, span, .. } = &*self.report;
        Metrics::of(&self.figures, environment, window, span).serialize(serializer)
    }
}

async fn read(report: Arc<DoraReport>, components: Vec<String>) -> Result<Vec<ComponentReport>, Error> {
    let DoraReport { reports, environment, zone, window, .. } = &*report;
    let figures = reports.dora(components, environment, (window, zone)).await?;
    Ok(figures.into_iter().map(|figures| ComponentReport { figures, report: report.clone() }).collect())
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
    let after = page.after.as_ref().map(|name| name.0.as_str());
    let mut keys = store.reports.components(component.as_deref(), &environment, after, page.count()).await?;
    let next = page.cut(&mut keys, |last| Some(NameCursor(last.of.clone())));
    let open = format!("{{\"environment\":{},\"components\":[", json!(environment));
    let span = Span::in_zone(&window, &bounds.zone);
    let report = Arc::new(DoraReport {
        reports: store.reports.clone(),
        environment: environment.clone(),
        zone: bounds.zone.clone(),
        window,
        span,
    });
    let mut reply =
        reply::list(open.into_bytes(), keys, b"]}", move |components| read(report.clone(), components)).await?;
    let parameters = [
        ("component", component.as_deref()),
        ("environment", Some(environment.as_str())),
        ("tz", Some(bounds.zone.as_str())),
    ];
    page.link(&mut reply, "/api/dora", &encode_report(&parameters, &window), next);
    Ok(reply)
}
