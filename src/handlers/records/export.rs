//! All records as CSV or NDJSON, read page by page, so that a slow client holds little memory and no connection to the
//! database.

use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::Bytes;

use crate::domain::cursor::{Cursor as _, RecordCursor};
use crate::domain::filter::Filter;
use crate::domain::record::Record;
use crate::error::{Cause, Error};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::store::Store;

const PAGE: u64 = 1000;

#[derive(Clone, Copy)]
pub enum Format {
    /// RFC 4180 with a header row.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// Reads the first page before the answer begins, so that an unavailable database is a 503. A later failure cuts the
/// stream.
pub async fn all(store: &Store, request: &mut Request<'_>, format: Format) -> Result<Reply, Error> {
    let query = &mut request.query;
    let filter = query.filter();
    let after =
        query.take("cursor", |text| RecordCursor::parse(text).ok_or_else(|| "is not a cursor of this call".to_owned()));
    let limit = query.take("limit", |text| positive(text).ok_or_else(|| "must be a positive number".to_owned()));
    query.finish()?;
    let limit = limit.unwrap_or(u64::MAX);
    let first = store.records.list(&filter, after, page_size(limit)).await?;
    let pages = pages(store.clone(), filter, first, limit);
    Ok(match format {
        Format::Csv => {
            let header = stream::iter([Ok(Bytes::from(reply::csv_header()))]);
            let rows = pages.map(|page| Ok(csv(&page?).into()));
            reply::streamed("text/csv; charset=utf-8; header=present", header.chain(rows))
        }
        Format::Ndjson => reply::streamed("application/x-ndjson", pages.map(|page| Ok(ndjson(&page?)?.into()))),
    })
}

/// A positive number. One that does not fit is more than all records.
fn positive(text: &str) -> Option<u64> {
    let is_positive = text.bytes().all(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte != b'0');
    is_positive.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The first page and all that follow, up to `limit` records.
fn pages(
    store: Store,
    filter: Filter,
    first: Vec<Record>,
    limit: u64,
) -> impl Stream<Item = Result<Vec<Record>, Error>> + Send {
    let rest = after_page(&first, limit);
    let following = stream::try_unfold((store, filter, rest), |(store, filter, rest)| async move {
        let Some((after, limit)) = rest else { return Ok(None) };
        let page = store.records.list(&filter, Some(after), page_size(limit)).await;
        let page = page.inspect_err(|error| tracing::error!(%error, "an export was cut off"))?;
        let rest = after_page(&page, limit);
        Ok(Some((page, (store, filter, rest))))
    });
    stream::iter([Ok(first)]).chain(following)
}

/// Where the next page begins and how many records are left of the limit; `None` after the last page.
fn after_page(page: &[Record], limit: u64) -> Option<(RecordCursor, u64)> {
    let left = limit - page.len() as u64;
    let is_full = page.len() as u64 == PAGE;
    page.last().filter(|_| is_full && left > 0).map(|last| (RecordCursor::of(last), left))
}

#[allow(clippy::cast_possible_wrap, reason = "at most a page")]
fn page_size(limit: u64) -> i64 {
    limit.min(PAGE) as i64
}

fn csv(records: &[Record]) -> String {
    let mut rows = String::new();
    for record in records {
        reply::csv_row(record, &mut rows);
    }
    rows
}

fn ndjson(records: &[Record]) -> Result<Vec<u8>, Cause> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
