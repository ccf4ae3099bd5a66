//! Everything, streamed: page by page, so that a slow reader holds neither memory nor a connection to the database.

use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::Bytes;

use crate::{
    domain::cursor::Cursor,
    domain::filter::Filter,
    domain::record::Record,
    error::{Cause, Error},
    reply::{self, Reply},
    store::{Page, Store},
};

const PAGE: u32 = 1000;

/// How records are written.
#[derive(Clone, Copy)]
pub enum Form {
    /// RFC 4180, with a header row.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// Answers at most `limit` records. The first page is there before the answer begins, so that a database which does
/// not answer is a 503; one that breaks off later cuts the stream.
pub async fn all(store: Store, form: Form, filter: Filter, after: Option<Cursor>, limit: u64) -> Result<Reply, Error> {
    let first = store.reads.page(&filter, after, size(limit)).await?;
    Ok(match form {
        Form::Csv => {
            let header = stream::iter([Ok(Bytes::from(reply::csv_header()))]);
            let rows = pages(store, filter, first, limit).map(|page| Ok(csv(&page?).into()));
            reply::streamed("text/csv; charset=utf-8; header=present", header.chain(rows))
        }
        Form::Ndjson => {
            let lines = pages(store, filter, first, limit).map(|page| Ok(ndjson(&page?)?.into()));
            reply::streamed("application/x-ndjson", lines)
        }
    })
}

/// The first page and all that follow, up to `limit` records.
fn pages(
    store: Store,
    filter: Filter,
    first: Page,
    limit: u64,
) -> impl Stream<Item = Result<Vec<Record>, Error>> + Send {
    enum Turn {
        Ready(Page),
        After(Cursor),
        Over,
    }
    stream::unfold((store, filter, Turn::Ready(first), limit), |(store, filter, turn, limit)| async move {
        let page = match turn {
            Turn::Ready(page) => Ok(page),
            Turn::After(cursor) => store.reads.page(&filter, Some(cursor), size(limit)).await,
            Turn::Over => return None,
        };
        Some(match page {
            Ok(Page { records, next }) => {
                let limit = limit - records.len() as u64;
                let turn = next.filter(|_| limit > 0).map_or(Turn::Over, Turn::After);
                (Ok(records), (store, filter, turn, limit))
            }
            Err(error) => {
                tracing::error!(%error, "an export was cut");
                (Err(error), (store, filter, Turn::Over, 0))
            }
        })
    })
}

fn size(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(PAGE).min(PAGE)
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
