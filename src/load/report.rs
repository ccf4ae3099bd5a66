//! What a run prints: a progress line while it runs and the result at its end, as text or JSON.

use std::{fmt, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::options::Options;
use super::stats::Stats;
use super::thresholds;
use super::verify::Verdict;

const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// Formats a progress line. `before` is the time of the line before and the number of requests until then.
pub fn progress(stats: &Stats, start: Instant, duration: Duration, before: &mut (Instant, u64)) -> String {
    let (now, requests) = (Instant::now(), stats.requests());
    let (time_before, requests_before) = std::mem::replace(before, (now, requests));
    format!(
        "{:>3.0} of {} s  {:>8.0} per second  99 %: {:>8}  retries {}  errors {}",
        (now - start).as_secs_f64(),
        duration.as_secs_f64(),
        per_second(requests - requests_before, now - time_before),
        thresholds::time(stats.percentile(99.0)),
        stats.retries,
        stats.failed()
    )
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per_second(requests: u64, time: Duration) -> f64 {
    requests as f64 / time.as_secs_f64().max(0.001)
}

/// The result of a run. `Display` writes it as text.
pub struct LoadReport<'a> {
    pub options: &'a Options,
    /// From the start to the last response.
    pub took: Duration,
    pub stats: &'a Stats,
    pub verdict: Option<&'a Verdict>,
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl LoadReport<'_> {
    pub fn json(&self) -> Value {
        let Self { options, stats, took, verdict } = self;
        let percentiles = PERCENTILES.map(|percent| (format!("p{percent}"), stats.percentile(percent).into()));
        let mut latency = serde_json::Map::from_iter(percentiles);
        latency.insert("mean".to_owned(), thousandths(stats.latency.mean()).into());
        latency.insert("max".to_owned(), stats.latency.max().into());
        json!({
            "url": options.target.to_string(),
            "mix": options.mix.name(),
            "connections": options.connections,
            "rate": options.rate,
            "seconds": thousandths(took.as_secs_f64()),
            "requests": stats.requests(),
            "per_second": thousandths(per_second(stats.requests(), *took)),
            "behind_seconds": options.rate.map(|_| thousandths(stats.behind.as_secs_f64())),
            "statuses": stats.statuses,
            "errors": stats.errors,
            "retries": stats.retries,
            "latency_us": latency,
            "verify": verdict,
        })
    }
}

impl fmt::Display for LoadReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { options, stats, took, verdict } = self;
        let (target, mix, connections) = (&options.target, options.mix.name(), options.connections);
        let rate = options.rate.map_or("at full rate".to_owned(), |rate| format!("at {rate} requests per second"));
        let duration = options.duration.as_secs_f64();
        writeln!(f, "{target}: mix {mix} on {connections} connections, {rate}, for {duration} s\n")?;
        let (requests, seconds) = (stats.requests(), took.as_secs_f64());
        writeln!(f, "{requests} requests in {seconds:.2} s: {:.1} per second", per_second(requests, *took))?;
        if options.rate.is_some() {
            let behind = u64::try_from(stats.behind.as_micros()).unwrap_or(u64::MAX);
            writeln!(f, "the last request was sent {} after it was due", thresholds::time(behind))?;
        }
        let statuses: Vec<_> = stats.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(f, "responses {}", if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") })?;
        if stats.retries > 0 {
            writeln!(f, "retries   {}", stats.retries)?;
        }
        writeln!(f, "errors    {}", stats.failed())?;
        for (error, count) in &stats.errors {
            writeln!(f, "  {count:>7}  {}", error.sentence())?;
        }
        if let Some(refusal) = &stats.refusal {
            writeln!(f, "refusal   {refusal}")?;
        }
        if !stats.latency.is_empty() {
            writeln!(f, "\nlatency")?;
            for percent in PERCENTILES {
                writeln!(f, "  {percent:>5} %  {:>8}", thresholds::time(stats.percentile(percent)))?;
            }
            writeln!(f, "  max      {:>8}", thresholds::time(stats.latency.max()))?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of u64")]
            writeln!(f, "  mean     {:>8}", thresholds::time(stats.latency.mean().round() as u64))?;
            write!(f, "\n{}", thresholds::histogram(&stats.latency))?;
        }
        if let Some(verdict) = verdict {
            writeln!(f, "\n{verdict}")?;
            for example in &verdict.examples {
                writeln!(f, "  {example}")?;
            }
        }
        Ok(())
    }
}
