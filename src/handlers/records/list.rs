//! `GET /api/`: a page as JSON, or everything as CSV or NDJSON.

use hyper::{HeaderMap, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::export;
use crate::{
    domain::cursor::Cursor,
    domain::filter::Filter,
    domain::record::{Phase, format_time},
    error::Error,
    reply::{self, Reply},
    request::{Query, preferred},
    store::{Page, Store},
};

const FORMS: [&str; 3] = ["application/json", "text/csv", "application/x-ndjson"];
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Answers the newest records first, with a link to the next page.
pub async fn list(store: &Store, query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    let form = preferred(headers, &FORMS).ok_or(Error::NotAcceptable(FORMS.join(", ")))?;
    let mut query = Query::parse(query);
    let filter = filter(&mut query);
    let after = query.take("cursor", |text| Cursor::parse(text).ok_or_else(|| "is none of this service".to_owned()));
    let mut reply = if form == 0 {
        let limit = page_limit(&mut query);
        query.finish()?;
        page(&store.reads.page(&filter, after, limit).await?, &filter, limit)?
    } else {
        let limit = query.take("limit", |text| positive(text).ok_or_else(|| "must be a positive number".to_owned()));
        query.finish()?;
        let form = if form == 1 { export::Form::Csv } else { export::Form::Ndjson };
        export::all(store.clone(), form, filter, after, limit.unwrap_or(u64::MAX)).await?
    };
    reply.headers_mut().insert(header::VARY, header::HeaderValue::from_static("accept"));
    Ok(reply)
}

/// How many a page of JSON has.
pub fn page_limit(query: &mut Query) -> u32 {
    let limit = query.take("limit", |text| {
        let limit = positive(text).and_then(|limit| u32::try_from(limit).ok());
        let limit = limit.filter(|limit| *limit <= MAX_LIMIT);
        limit.ok_or_else(|| format!("must be a number from 1 to {MAX_LIMIT}"))
    });
    limit.unwrap_or(DEFAULT_LIMIT)
}

/// A positive number; one that is too large for the type is more than there will ever be.
fn positive(text: &str) -> Option<u64> {
    let is_positive = text.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte != b'0');
    is_positive.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The fields of a record, and `since` and `until`.
pub fn filter(query: &mut Query) -> Filter {
    Filter {
        component: query.text("component", 200),
        version: query.text("version", 200),
        owner: query.text("owner", 200),
        status: query.text("status", 200),
        phase: query.take("phase", |name| {
            let known = "must be started, succeeded, failed, aborted, finished, skipped or noted";
            Phase::named(name).ok_or_else(|| known.to_owned())
        }),
        environment: query.text("environment", 200),
        run: query.text("run", 1_000),
        stage: query.text("stage", 1_000),
        since: query.time("since"),
        until: query.time("until"),
    }
}

fn page(page: &Page, filter: &Filter, limit: u32) -> Result<Reply, Error> {
    let mut reply = reply::json(StatusCode::OK, &page.records)?;
    if let Some(next) = page.next {
        let link = format!("</api/?{}limit={limit}&cursor={next}>; rel=\"next\"", as_query(filter));
        reply::set(reply.headers_mut(), header::LINK, &link);
    }
    Ok(reply)
}

/// The filter as it is asked for again, each parameter with an `&` behind it.
pub fn as_query(filter: &Filter) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let parameters = [
        ("component", filter.component.clone()),
        ("version", filter.version.clone()),
        ("owner", filter.owner.clone()),
        ("status", filter.status.clone()),
        ("phase", filter.phase.map(|phase| phase.name().to_owned())),
        ("environment", filter.environment.clone()),
        ("run", filter.run.clone()),
        ("stage", filter.stage.clone()),
        ("since", filter.since.map(format_time)),
        ("until", filter.until.map(format_time)),
    ];
    let set = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    set.map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, ESCAPED))).collect()
}
