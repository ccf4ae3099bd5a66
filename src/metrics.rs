//! What is counted about requests, and how figures are written down for Prometheus. No I/O.

mod exposition;

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hyper::StatusCode;

pub use exposition::Exposition;

use crate::route::Route;

/// A request that reached no call.
const NO_ROUTE: &str = "none";
/// Where requests are counted: a place for every call, and one for those that reached none.
const PLACES: usize = Route::NAMES.len() + 1;
/// The statuses that calls answer; any other counts as the last place.
const STATUSES: [u16; 20] =
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 406, 408, 411, 412, 413, 415, 422, 429, 500, 501, 503];
/// Upper bounds of the histogram's buckets, in microseconds and as written.
const BUCKETS: [(u64, &str); 12] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
];

/// Counts of requests since the start. Counting one takes three additions and waits for nobody.
#[derive(Default)]
pub struct Requests {
    calls: [Call; PLACES],
}

#[derive(Default)]
struct Call {
    by_status: [AtomicU64; STATUSES.len() + 1],
    /// Of those that took so long and no longer; the last has no bound.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Requests {
    /// Counts a request that was answered, `took` after its header had arrived. No route: none was found.
    pub fn count(&self, route: Option<Route>, status: StatusCode, took: Duration) {
        let call = &self.calls[route.map_or(PLACES - 1, Route::index)];
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BUCKETS.len());
        call.by_status[status].fetch_add(1, Relaxed);
        call.buckets[bucket].fetch_add(1, Relaxed);
        call.micros.fetch_add(micros, Relaxed);
    }

    /// Writes them down; what never happened is left out.
    pub fn write(&self, out: &mut Exposition) {
        let names = || Route::NAMES.into_iter().chain([NO_ROUTE]).zip(&self.calls);
        out.family("deploylog_http_requests_total", "counter", "Requests answered, by call and status.");
        for (route, call) in names() {
            for (index, count) in call.by_status.iter().enumerate() {
                let count = count.load(Relaxed);
                if count > 0 {
                    let status = STATUSES.get(index).map_or_else(|| "other".to_owned(), u16::to_string);
                    out.sample("", &[("route", route), ("status", &status)], count);
                }
            }
        }
        let help = "Time from a request's header to the head of its answer.";
        out.family("deploylog_http_request_duration_seconds", "histogram", help);
        for (route, call) in names() {
            let counts = call.buckets.each_ref().map(|bucket| bucket.load(Relaxed));
            let all: u64 = counts.iter().sum();
            if all == 0 {
                continue;
            }
            let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
            let mut so_far = 0;
            for (bound, count) in bounds.zip(counts) {
                so_far += count;
                out.sample("_bucket", &[("route", route), ("le", bound)], so_far);
            }
            let seconds = Duration::from_micros(call.micros.load(Relaxed)).as_secs_f64();
            out.sample("_sum", &[("route", route)], seconds);
            out.sample("_count", &[("route", route)], all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_every_bucket_that_it_fits() {
        let requests = Requests::default();
        requests.count(Some(Route::Live), StatusCode::OK, Duration::from_millis(1));
        requests.count(Some(Route::Live), StatusCode::OK, Duration::from_micros(1_001));
        requests.count(None, StatusCode::IM_A_TEAPOT, Duration::from_secs(7));
        let mut out = Exposition::default();
        requests.write(&mut out);
        let text = out.into_text();
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
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
        assert!(!text.contains("readyz"));
    }
}
