//! The Prometheus text format, and the counters of HTTP requests. No I/O.

use std::{
    fmt::{Display, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hyper::StatusCode;

use crate::route::Route;

/// Metrics in text format 0.0.4.
#[derive(Default)]
pub struct Exposition {
    pub text: String,
    family: &'static str,
}

impl Exposition {
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Begins a metric family. Its samples follow. `help` is one line.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Adds a sample to the family. `suffix` names the part of a histogram, such as `_sum`.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let escape = |value: &str| value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }

    /// Adds a family with one sample and no labels.
    pub fn single(&mut self, name: &'static str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample("", &[], value);
    }
}

/// The route label of requests that match no route.
const NO_ROUTE: &str = "none";
/// One counter set for each route and one for [`NO_ROUTE`].
const COUNTERS: usize = Route::NAMES.len() + 1;
/// The statuses that the service returns. All others share the label `other`.
const STATUSES: [u16; 20] =
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 406, 408, 411, 412, 413, 415, 422, 429, 500, 501, 503];
/// Upper bounds of the histogram's buckets, in microseconds.
const BUCKETS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000];

/// Counts requests by route and status, and their durations, since the start. Lock-free.
#[derive(Default)]
pub struct RequestCounters {
    routes: [RouteCounters; COUNTERS],
}

#[derive(Default)]
struct RouteCounters {
    by_status: [AtomicU64; STATUSES.len() + 1],
    /// Not cumulative: each request is counted in one bucket. The last bucket has no upper bound.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl RequestCounters {
    /// Counts a request. `took` is the time from its header to its response.
    pub fn count(&self, route: Option<Route>, status: StatusCode, took: Duration) {
        let counters = &self.routes[route.map_or(COUNTERS - 1, Route::index)];
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS.len());
        counters.by_status[status].fetch_add(1, Relaxed);
        counters.buckets[bucket].fetch_add(1, Relaxed);
        counters.micros.fetch_add(micros, Relaxed);
    }

    /// Writes all counters except those that are 0.
    pub fn write(&self, out: &mut Exposition) {
        let routes = || Route::NAMES.into_iter().chain([NO_ROUTE]).zip(&self.routes);
        out.family("deploylog_http_requests_total", "counter", "HTTP requests by route and status.");
        for (route, counters) in routes() {
            for (index, count) in counters.by_status.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let status = STATUSES.get(index).map_or_else(|| "other".to_owned(), u16::to_string);
                    out.sample("", &[("route", route), ("status", &status)], count);
                }
            }
        }
        let help = "Time from the request header to the response header.";
        out.family("deploylog_http_request_duration_seconds", "histogram", help);
        for (route, counters) in routes() {
            let counts = counters.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
            let all: u64 = counts.iter().sum();
            if all == 0 {
                continue;
            }
            let seconds = |micros| Duration::from_micros(micros).as_secs_f64();
            let bounds = BUCKETS.iter().map(|bound| seconds(*bound).to_string()).chain(["+Inf".to_owned()]);
            let mut cumulative = 0;
            for (bound, count) in bounds.zip(counts) {
                cumulative += count;
                out.sample("_bucket", &[("route", route), ("le", &bound)], cumulative);
            }
            out.sample("_sum", &[("route", route)], seconds(counters.micros.load(Relaxed)));
            out.sample("_count", &[("route", route)], all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_can_contain_any_text() {
        let mut out = Exposition::default();
        out.family("last", "gauge", "Of a component.");
        out.sample("", &[("component", "a\\b\"c\nd"), ("environment", "")], 1.5);
        let samples = "last{component=\"a\\\\b\\\"c\\nd\",environment=\"\"} 1.5\n";
        assert_eq!(out.text, format!("# HELP last Of a component.\n# TYPE last gauge\n{samples}"));
    }

    #[test]
    fn a_request_is_counted_in_every_bucket_with_a_larger_bound() {
        let counters = RequestCounters::default();
        counters.count(Some(Route::Live), StatusCode::OK, Duration::from_millis(1));
        counters.count(Some(Route::Live), StatusCode::OK, Duration::from_micros(1_001));
        counters.count(None, StatusCode::IM_A_TEAPOT, Duration::from_secs(7));
        let mut out = Exposition::default();
        counters.write(&mut out);
        let text = out.text;
        for line in [
            r#"deploylog_http_requests_total{route="GET /livez",status="200"} 2"#,
            r#"deploylog_http_requests_total{route="none",status="other"} 1"#,
            r#"deploylog_http_request_duration_seconds_bucket{route="GET /livez",le="0.001"} 1"#,
            r#"deploylog_http_request_duration_seconds_bucket{route="GET /livez",le="0.0025"} 2"#,
            r#"deploylog_http_request_duration_seconds_bucket{route="GET /livez",le="+Inf"} 2"#,
            r#"deploylog_http_request_duration_seconds_sum{route="GET /livez"} 0.002001"#,
            r#"deploylog_http_request_duration_seconds_bucket{route="none",le="5"} 0"#,
            r#"deploylog_http_request_duration_seconds_count{route="none"} 1"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
        assert!(!text.contains("readyz"));
    }
}
