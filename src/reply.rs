//! Builds responses: JSON, CSV, problems, streams.

mod budget;
mod list;

use futures_util::{Stream, TryStreamExt as _, future, stream};
use http_body_util::{BodyExt as _, Either, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Bytes, Frame},
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

pub use budget::AnswerBudget;

use crate::domain::record::{Cell, Record, format_time};
use crate::error::{Cause, Error};

pub use list::{chunked, chunks, list};

/// A complete body or a stream.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Cause>>;

pub type Reply = Response<Body>;

pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Reply, Error> {
    let body = serde_json::to_vec(value).map_err(|error| Error::Internal(error.into()))?;
    Ok(whole(status, "application/json", body))
}

/// 204.
pub fn no_content() -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// 304 with the current entity tag.
pub fn not_modified(etag: &str) -> Reply {
    let mut reply = no_content();
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    set(reply.headers_mut(), header::ETAG, etag);
    reply
}

pub fn problem(error: &Error) -> Reply {
    let mut reply = whole(error.status(), "application/problem+json", error.problem());
    if let Some((name, value)) = error.header() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// A streamed body. After an error the connection breaks, so that clients do not take the body for complete.
pub fn streamed(
    content_type: &'static str,
    chunks: impl Stream<Item = Result<Bytes, Cause>> + Send + 'static,
) -> Reply {
    use futures_util::StreamExt as _;
    let mut reply =
        Response::new(Either::Right(StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Cuts a streamed body when `end` resolves.
pub fn cut_when<F: Future<Output = ()> + Send + 'static>(reply: Reply, end: impl FnOnce() -> F) -> Reply {
    reply.map(|body| match body {
        Either::Left(whole) => Either::Left(whole),
        Either::Right(streamed) => {
            let parts = (streamed.into_data_stream(), Box::pin(end()));
            let chunks = stream::try_unfold(parts, |(mut chunks, mut end)| async move {
                match future::select(&mut end, chunks.try_next()).await {
                    future::Either::Left(_) => Err("the token is no longer valid".into()),
                    future::Either::Right((chunk, _)) => Ok(chunk?.map(|chunk| (chunk, (chunks, end)))),
                }
            });
            Either::Right(StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync())
        }
    })
}

/// Sets a header. A value that a header cannot contain is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// The header row of [`csv_row`]s.
pub fn csv_header() -> String {
    Record::columns().collect::<Vec<_>>().join(",") + "\r\n"
}

/// A row of RFC 4180. What a spreadsheet could take for a formula gets a leading `'`, inside of a text too.
pub fn csv_row(record: &Record, out: &mut String) {
    for (index, cell) in record.cells().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match cell {
            Cell::Empty => {}
            Cell::Text(text) => csv_text(text, out),
            Cell::Word(word) => out.push_str(word),
            Cell::Time(time) => out.push_str(&format_time(time)),
            Cell::Integer(number) => out.push_str(&number.to_string()),
            Cell::Millis(millis) => out.push_str(&format!("{}.{:03}", millis / 1000, millis % 1000)),
            Cell::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        }
    }
    out.push_str("\r\n");
}

/// What a spreadsheet can take for the end of a cell, depending on its language and settings. Quotes do not help: a cell
/// of this file can begin in the middle of a cell of a reader that splits at another separator.
const SEPARATORS: [char; 6] = [',', ';', '\t', '|', '\r', '\n'];

fn csv_text(text: &str, out: &mut String) {
    let is_quoted = text.contains([',', '"', '\r', '\n']);
    let quote = if is_quoted { "\"" } else { "" };
    out.push_str(quote);
    for part in text.split_inclusive(SEPARATORS) {
        if is_formula(part) {
            out.push('\'');
        }
        if is_quoted { out.push_str(&part.replace('"', "\"\"")) } else { out.push_str(part) }
    }
    out.push_str(quote);
}

/// Whether a spreadsheet could run a cell that begins like this. It can drop blanks and quotes at the beginning.
fn is_formula(cell: &str) -> bool {
    let begin = cell.trim_start_matches(|character: char| character.is_whitespace() || character == '"');
    cell.starts_with(['\t', '\r']) || begin.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
}
