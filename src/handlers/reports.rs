//! The reports: `/api/durations` and `/api/dora`.

mod dora;
mod durations;

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
pub use dora::dora;
pub use durations::durations;
use hyper::{HeaderMap, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::{
    domain::record::{FieldError, format_time},
    domain::window::{Bounds, Window},
    error::Error,
    reply::{self, Reply},
    request::{self, Query},
    store::Store,
};

const DEFAULT_DAYS: i32 = 30;
const MAX_DAYS: i32 = 366;
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Which page: behind which name, and how many names.
struct Place {
    after: Option<String>,
    limit: u32,
}

impl Place {
    fn take(query: &mut Query) -> Self {
        let after = query.take("cursor", |text| name_of(text).ok_or_else(|| "is none of this service".to_owned()));
        let limit = query.take("limit", |text| number(text, MAX_LIMIT));
        Self { after, limit: limit.unwrap_or(DEFAULT_LIMIT) }
    }
}

/// Names come as they are stored, and cursors are opaque: hexadecimal.
fn name_of(cursor: &str) -> Option<String> {
    let bytes = cursor.as_bytes().chunks(2).map(|pair| {
        let is_pair = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        is_pair.then(|| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).flatten()
    });
    String::from_utf8(bytes.collect::<Option<Vec<_>>>()?).ok().filter(|name| !name.contains('\0'))
}

fn cursor_of(name: &str) -> String {
    name.bytes().fold(String::new(), |mut cursor, byte| {
        let _ = write!(cursor, "{byte:02x}");
        cursor
    })
}

fn number<T: TryFrom<u32> + PartialOrd + Copy + std::fmt::Display>(text: &str, most: T) -> Result<T, String> {
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    let number = number.filter(|number| *number > 0).and_then(|number| T::try_from(number).ok());
    number.filter(|number| *number <= most).ok_or_else(|| format!("must be a number from 1 to {most}"))
}

/// Takes `days`, or `since` and `until`.
fn bounds(query: &mut Query, zone: String) -> Bounds {
    let days = query.take("days", |text| number(text, MAX_DAYS));
    let (since, until) = (query.time("since"), query.time("until"));
    if days.is_some() && (since.is_some() || until.is_some()) {
        query.refuse("days".to_owned(), "cannot stand beside since and until");
    }
    Bounds { since, until, days: days.unwrap_or(DEFAULT_DAYS), zone }
}

/// The window that is meant, where it is one.
async fn window(store: &Store, bounds: &Bounds) -> Result<Window, Error> {
    // The longest there is, and an hour for clocks that change.
    let longest = TimeDelta::days(MAX_DAYS.into()) + TimeDelta::hours(1);
    let window = store.reads.window(bounds).await?;
    let refuse = |reason: String| {
        let field = if bounds.since.is_some() { "since" } else { "until" };
        Err(Error::Fields(vec![FieldError::new(field, reason)]))
    };
    if window.since >= window.until {
        return refuse("leaves no time: since must be before until, and until is now where it is left out".to_owned());
    }
    if window.until - window.since > longest {
        return refuse(format!("is more than {MAX_DAYS} days before until"));
    }
    if window.before().year() < 0 {
        return refuse("is too early".to_owned());
    }
    Ok(window)
}

/// Only JSON is to be had.
fn wants_json(headers: &HeaderMap) -> Result<(), Error> {
    let has = request::preferred(headers, &["application/json"]).is_some();
    if has { Ok(()) } else { Err(Error::NotAcceptable("application/json".to_owned())) }
}

/// Links to the page behind `last`: with the window as it was, so that it does not move on from page to page.
fn link_next(reply: &mut Reply, path: &str, parameters: &[(&str, Option<&str>)], window: &Window, next: (&str, u32)) {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    let (last, limit) = next;
    let mut target = format!("{path}?");
    for (name, value) in parameters {
        if let Some(value) = value {
            let _ = write!(target, "{name}={}&", utf8_percent_encode(value, ESCAPED));
        }
    }
    let (since, until) = (format_time(window.since), format_time(window.until));
    let link = format!("<{target}since={since}&until={until}&limit={limit}&cursor={}>; rel=\"next\"", cursor_of(last));
    reply::set(reply.headers_mut(), header::LINK, &link);
}

/// A window as it is answered.
#[derive(Serialize)]
struct Span {
    since: String,
    until: String,
}

impl Span {
    fn new(since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { since: format_time(since), until: format_time(until) }
    }
}

/// To the thousandth.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::{cursor_of, name_of};

    #[test]
    fn a_cursor_stands_for_any_name_and_nothing_else_is_one() {
        for name in ["web", "Å & ü\u{1F680}", "<script>"] {
            assert_eq!(name_of(&cursor_of(name)).as_deref(), Some(name));
        }
        for none in ["7", "zz", "+1", "ff", "00", "é"] {
            assert_eq!(name_of(none), None, "{none}");
        }
    }
}
