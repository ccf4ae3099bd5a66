//! `GET /metrics`: metrics of the service and of deploys, for Prometheus.

use hyper::StatusCode;

use crate::domain::record::Phase;
use crate::error::Error;
use crate::prometheus::{Exposition, RequestCounters};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::store::{LastDeploy, MAX_LAST_DEPLOYS, Store};

/// Also answers without the database, then without the metrics that come from it.
pub async fn read(
    store: &Store,
    requests: &RequestCounters,
    event_subscribers: usize,
    request: &mut Request<'_>,
) -> Result<Reply, Error> {
    request.query.finish()?;
    request.negotiate(&["text/plain"])?;
    let mut out = Exposition::default();
    out.family("deploylog_build_info", "gauge", "The version of the running service.");
    out.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    requests.write(&mut out);
    out.single("deploylog_event_readers", "gauge", "Current subscribers of the event stream.", event_subscribers);
    write_store(store, &mut out);
    write_deploys(store, &mut out).await;
    Ok(reply::whole(StatusCode::OK, Exposition::CONTENT_TYPE, out.text.into_bytes()))
}

fn write_store(store: &Store, out: &mut Exposition) {
    let (pools, counts) = (store.pools(), &store.counts);
    out.family("deploylog_queue_requests", "gauge", "Requests to write or read one record that wait for the database.");
    out.sample("", &[("queue", "write")], counts.writing.value());
    out.sample("", &[("queue", "read")], counts.reading.value());
    out.family("deploylog_pool_connections", "gauge", "Open database connections by pool and state.");
    for (pool, status) in &pools {
        out.sample("", &[("pool", pool), ("state", "used")], status.size.saturating_sub(status.available));
        out.sample("", &[("pool", pool), ("state", "idle")], status.available);
    }
    out.family("deploylog_pool_connections_max", "gauge", "Maximum number of database connections by pool.");
    for (pool, status) in &pools {
        out.sample("", &[("pool", pool)], status.max_size);
    }
    out.family("deploylog_pool_waiting", "gauge", "Queries that wait for a database connection, by pool.");
    for (pool, status) in &pools {
        out.sample("", &[("pool", pool)], status.waiting);
    }
    out.family("deploylog_records_total", "counter", "Records written by this process since its start, by phase.");
    for (phase, count) in Phase::ALL.into_iter().zip(&counts.recorded) {
        out.sample("", &[("phase", phase.name())], count.value());
    }
    let help = "Old records deleted by this process since its start.";
    out.single("deploylog_records_forgotten_total", "counter", help, counts.deleted.value());
    let help = "Steps of retention that failed in this process since its start.";
    out.single("deploylog_retention_failures_total", "counter", help, counts.retention_failures.value());
}

async fn write_deploys(store: &Store, out: &mut Exposition) {
    let (running, deploys) = tokio::join!(store.deploys.running(), store.deploys.last());
    let figures = running.and_then(|running| Ok((running, deploys?)));
    if let Err(error) = &figures {
        tracing::warn!(%error, "the metrics of deploys cannot be read");
    }
    let help = "1 if the database returned the deploy metrics, else 0.";
    out.single("deploylog_database_up", "gauge", help, u8::from(figures.is_ok()));
    let Ok((running, deploys)) = figures else { return };
    let help =
        "Unfinished deploys that started within the last day, counted among the 1000 newest starts without a finish.";
    out.single("deploylog_deploys_running", "gauge", help, running);
    let help = "1 if some components and environments are left out of the deploy metrics, else 0.";
    out.single("deploylog_places_left_out", "gauge", help, u8::from(deploys.len() > MAX_LAST_DEPLOYS));
    let deploys = &deploys[..deploys.len().min(MAX_LAST_DEPLOYS)];
    let mut family = |name, help, value: fn(&LastDeploy) -> Option<f64>| {
        out.family(name, "gauge", help);
        for deploy in deploys {
            if let Some(value) = value(deploy) {
                let labels = [("component", deploy.component.as_str()), ("environment", deploy.environment.as_str())];
                out.sample("", &labels, value);
            }
        }
    };
    let help = "Time at which the last deploy finished.";
    family("deploylog_last_deploy_timestamp_seconds", help, |deploy| Some(deploy.finished_at));
    let help = "Duration of the last deploy, if known.";
    family("deploylog_last_deploy_duration_seconds", help, |deploy| deploy.duration);
    let help = "1 if the last deploy succeeded; 0 if it failed, was aborted or reported no result.";
    family("deploylog_last_deploy_succeeded", help, |deploy| Some(f64::from(u8::from(deploy.is_success))));
}
