//! Reads and writes RFC 3339 times.

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};

/// Reads a time of the years 0 to 9999 with any offset. Digits below a microsecond are dropped.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|_| text.is_ascii())?.to_utc();
    // chrono stores a leap second as microseconds above a million. They belong to the next second.
    let micros = time.timestamp() * 1_000_000 + i64::from(time.timestamp_subsec_micros());
    DateTime::from_timestamp_micros(micros).filter(|time| (0..=9999).contains(&time.year()))
}

/// `2026-11-24T07:30:15.123456Z`.
pub fn format(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    fn round_trip(text: &str) -> Option<String> {
        parse(text).map(format)
    }

    #[test]
    fn any_offset_is_converted_to_utc_and_truncated_to_the_microsecond() {
        for (text, out) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
            ("2026-01-01t02:00:00.5+02:00", "2026-01-01T00:00:00.500000Z"),
            ("2026-01-01T00:00:00.1234569Z", "2026-01-01T00:00:00.123456Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
            ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(round_trip(text).as_deref(), Some(out), "{text}");
        }
    }

    #[test]
    fn an_invalid_time_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-02-30T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00\u{2212}01:00",
            "+12026-01-01T00:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
        ] {
            assert_eq!(round_trip(text), None, "{text}");
        }
    }
}
