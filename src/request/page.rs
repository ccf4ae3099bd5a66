//! Pages of a list: where a page begins, how long it is, and the link to the next one.

use hyper::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::query::Query;
use crate::domain::cursor::Cursor;
use crate::domain::filter::Filter;
use crate::domain::record::format_time;
use crate::reply::{self, Reply};

const MAX_LIMIT: u32 = 1000;
const DEFAULT_LIMIT: u32 = 100;
/// The characters that RFC 3986 calls unreserved stay as they are.
pub const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The part of a list that a request asks for.
pub struct Page<C> {
    pub after: Option<C>,
    pub limit: u32,
}

impl<C: Cursor> Page<C> {
    /// Takes the parameters `cursor` and `limit`.
    pub fn take(query: &mut Query) -> Self {
        let after =
            query.take("cursor", |text| C::parse(text).ok_or_else(|| "is not a cursor of this call".to_owned()));
        let limit = query.take("limit", |text| number_up_to(text, MAX_LIMIT));
        Self { after, limit: limit.unwrap_or(DEFAULT_LIMIT) }
    }

    /// The number of items to read: one more than the limit, which shows whether there is a next page.
    pub fn count(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Cuts the items that were read to the limit. Returns the cursor of the next page if there is one.
    pub fn cut<T>(&self, items: &mut Vec<T>, cursor: impl FnOnce(&T) -> Option<C>) -> Option<C> {
        let has_more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        items.last().filter(|_| has_more).and_then(cursor)
    }

    /// Adds the link to the next page. `query` has the other parameters, each with an `&` after it.
    pub fn link(&self, reply: &mut Reply, path: &str, query: &str, next: Option<C>) {
        if let Some(next) = next {
            let link = format!("<{path}?{query}limit={}&cursor={next}>; rel=\"next\"", self.limit);
            reply::set(reply.headers_mut(), header::LINK, &link);
        }
    }
}

/// The parameters of a query, each with an `&` after it.
pub fn encode(parameters: &[(&str, Option<&str>)], escaped: &'static AsciiSet) -> String {
    let set = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    set.map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, escaped))).collect()
}

/// The parameters that a filter was read from.
pub fn encode_filter(filter: &Filter) -> String {
    let (since, until) = (filter.since.map(format_time), filter.until.map(format_time));
    let times = [("since", since.as_deref()), ("until", until.as_deref())];
    encode(&filter.texts(), ESCAPED) + &encode(&times, ESCAPED)
}

/// A number from 1 to `max`.
pub fn number_up_to(text: &str, max: u32) -> Result<u32, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && (1..=max).contains(number));
    number.ok_or_else(|| format!("must be a number from 1 to {max}"))
}
