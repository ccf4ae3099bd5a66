//! What is said at the end: for people, or as JSON.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{bars, options::Options, tally::Tally, verify::Verdict};

/// The percentiles that are told.
const PERCENTILES: [(&str, f64); 7] =
    [("50", 50.0), ("75", 75.0), ("90", 90.0), ("95", 95.0), ("99", 99.0), ("99.9", 99.9), ("99.99", 99.99)];

/// A run's result.
pub struct Report<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// From the first request to the last answer.
    pub took: Duration,
    /// What came of the requests.
    pub tally: &'a Tally,
    /// What was read back, where it was.
    pub verdict: Option<&'a Verdict>,
}

impl Report<'_> {
    fn per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let requests = self.tally.requests() as f64;
        if seconds > 0.0 { requests / seconds } else { 0.0 }
    }

    /// One JSON object, without a line's end.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (options, tally) = (self.options, self.tally);
        let errors: BTreeMap<_, _> = tally.failures.iter().map(|(failure, count)| (failure.name(), count)).collect();
        let mut latency = serde_json::Map::new();
        latency.insert("mean".to_owned(), thousandths(tally.latency.mean()).into());
        for (name, percent) in PERCENTILES {
            latency.insert(format!("p{name}"), tally.latency.value_at_quantile(percent / 100.0).into());
        }
        latency.insert("max".to_owned(), tally.latency.max().into());
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("url", &options.target.to_string())?;
        fields.serialize_entry("mix", options.mix.name())?;
        fields.serialize_entry("connections", &options.connections)?;
        fields.serialize_entry("rate", &options.rate)?;
        fields.serialize_entry("seconds", &thousandths(self.took.as_secs_f64()))?;
        fields.serialize_entry("requests", &tally.requests())?;
        fields.serialize_entry("per_second", &thousandths(self.per_second()))?;
        fields.serialize_entry("behind_seconds", &options.rate.map(|_| thousandths(tally.behind.as_secs_f64())))?;
        fields.serialize_entry("statuses", &tally.statuses)?;
        fields.serialize_entry("errors", &errors)?;
        fields.serialize_entry("retries", &tally.retries)?;
        fields.serialize_entry("latency_us", &latency)?;
        fields.serialize_entry("verify", &self.verdict)?;
        fields.end()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (options, tally) = (self.options, self.tally);
        let pace = options.rate.map_or("as fast as answered".to_owned(), |rate| format!("{rate} a second"));
        writeln!(
            f,
            "{}: {} on {} connections, {pace}, for {} s\n",
            options.target,
            options.mix.name(),
            options.connections,
            options.duration.as_secs_f64()
        )?;
        let took = self.took.as_secs_f64();
        writeln!(f, "{} requests in {took:.2} s: {:.1} a second", tally.requests(), self.per_second())?;
        if options.rate.is_some() {
            writeln!(f, "the last was sent {} after it was due", bars::time(micros(tally.behind)))?;
        }
        let answers: Vec<_> = tally.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(f, "answers   {}", if answers.is_empty() { "none".to_owned() } else { answers.join(", ") })?;
        if tally.retries > 0 {
            writeln!(f, "retries   {}", tally.retries)?;
        }
        writeln!(f, "errors    {}", if tally.failed() == 0 { "none".to_owned() } else { tally.failed().to_string() })?;
        for (failure, count) in &tally.failures {
            writeln!(f, "  {count:>7}  {}", failure.sentence())?;
        }
        if let Some(refusal) = &tally.first_refusal {
            writeln!(f, "refused   {refusal}  (the first one)")?;
        }
        if !tally.latency.is_empty() {
            writeln!(f, "\nlatency")?;
            for (name, percent) in PERCENTILES {
                writeln!(f, "  {name:>5} %  {:>8}", bars::time(tally.latency.value_at_quantile(percent / 100.0)))?;
            }
            writeln!(f, "  max      {:>8}", bars::time(tally.latency.max()))?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of u64")]
            writeln!(f, "  mean     {:>8}", bars::time(tally.latency.mean().round() as u64))?;
            write!(f, "\n{}", bars::histogram(&tally.latency))?;
        }
        if let Some(verdict) = self.verdict {
            writeln!(f, "\n{verdict}")?;
            for example in &verdict.examples {
                writeln!(f, "  {example}")?;
            }
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
