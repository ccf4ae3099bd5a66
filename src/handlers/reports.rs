//! The reports: `/api/durations` and `/api/dora`.

mod dora;
mod durations;

use chrono::{Datelike as _, TimeDelta};
pub use dora::dora;
pub use durations::durations;
use percent_encoding::AsciiSet;

use crate::domain::record::{FieldError, format_time};
use crate::domain::window::{Bounds, Window};
use crate::error::Error;
use crate::request::{ESCAPED, Query, encode, number_up_to};
use crate::store::Store;

const DEFAULT_DAYS: u32 = 30;
const MAX_DAYS: u32 = 366;

/// Takes `days`, or `since` and `until`.
fn bounds(query: &mut Query, zone: String) -> Bounds {
    let days = query.take("days", |text| number_up_to(text, MAX_DAYS));
    let (since, until) = (query.time("since"), query.time("until"));
    if days.is_some() && (since.is_some() || until.is_some()) {
        query.refuse("days".to_owned(), "cannot be combined with since and until");
    }
    Bounds { since, until, days: days.unwrap_or(DEFAULT_DAYS).cast_signed(), zone }
}

/// Fails if the window is empty, too long or too early.
async fn window(store: &Store, bounds: &Bounds) -> Result<Window, Error> {
    // A year in which the clocks go back has an hour more.
    let longest = TimeDelta::days(MAX_DAYS.into()) + TimeDelta::hours(1);
    let window = store.reports.window(bounds).await?;
    let refuse = |reason: String| {
        let field = if bounds.since.is_some() { "since" } else { "until" };
        Err(Error::Fields(vec![FieldError::new(field, reason)]))
    };
    if window.since >= window.until {
        return refuse("leaves an empty window: since must be before until, which defaults to now".to_owned());
    }
    if window.until - window.since > longest {
        return refuse(format!("is more than {MAX_DAYS} days before until"));
    }
    if window.before().year() < 0 {
        return refuse("is too early".to_owned());
    }
    Ok(window)
}

/// The parameters of the link to the next page. They fix the window, so that it does not move from page to page.
fn encode_report(parameters: &[(&str, Option<&str>)], window: &Window) -> String {
    // The names of time zones stay readable.
    const ESCAPED_NAMES: &AsciiSet = &ESCAPED.remove(b'/');
    let (since, until) = (format_time(window.since), format_time(window.until));
    encode(parameters, ESCAPED_NAMES) + &format!("since={since}&until={until}&")
}
