//! All records as CSV or NDJSON, read page by page, so that a slow client holds little memory and no connection to the
//! database.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use hyper::body::Bytes;

use crate::domain::cursor::{Cursor as _, RecordCursor};
use crate::domain::filter::Filter;
use crate::domain::record::Record;
use crate::error::{Cause, Error};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::store::{Lists, Store};

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
    let mut pages = Box::pin(pages(store.exports.clone(), filter, after, limit));
    let first = pages.try_next().await?.unwrap_or_default();
    let pages = stream::iter([Ok(first)]).chain(pages);
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

/// Up to `limit` records in chunks of limited size.
fn pages(
    exports: Arc<Lists>,
    filter: Filter,
    after: Option<RecordCursor>,
    limit: u64,
) -> impl Stream<Item = Result<Vec<Record>, Error>> + Send {
    let start = (exports, filter, Some((after, limit)), Vec::<Vec<_>>::new().into_iter());
    stream::try_unfold(start, |(exports, filter, mut rest, mut chunks)| async move {
        loop {
            if let Some(chunk) = chunks.next() {
                let records = exports.read_records(&chunk).await?;
                return Ok(Some((records, (exports, filter, rest, chunks))));
            }
            let Some((after, limit)) = rest else { return Ok(None) };
            let keys = exports.records(&filter, after, page_size(limit)).await?;
            let left = limit - keys.len() as u64;
            let is_full = keys.len() as u64 == PAGE && left > 0;
            rest = keys.last().filter(|_| is_full).map(|last| (Some(last.of), left));
            chunks = reply::chunks(keys).into_iter();
        }
    })
    .inspect_err(|error| tracing::warn!(%error, "an export failed"))
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
