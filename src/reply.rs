//! Responses: JSON, CSV, NDJSON, nothing, problems.

use futures_util::{Stream, TryStreamExt as _, future, stream};
use http_body_util::{BodyExt as _, Either, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Bytes, Frame},
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use crate::{
    domain::record::{Cell, Record, format_time},
    error::{Cause, Error},
};

/// Whole, or streamed.
pub type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Cause>>;

/// What a handler answers.
pub type Reply = Response<Body>;

/// A JSON answer.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Reply, Error> {
    let body = serde_json::to_vec(value).map_err(|error| Error::Internal(error.into()))?;
    Ok(whole(status, "application/json", body))
}

/// 204.
#[must_use]
pub fn no_content() -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// 304, with the entity tag that still holds.
#[must_use]
pub fn not_modified(etag: &str) -> Reply {
    let mut reply = no_content();
    *reply.status_mut() = StatusCode::NOT_MODIFIED;
    set(reply.headers_mut(), header::ETAG, etag);
    reply
}

/// A failure.
#[must_use]
pub fn problem(error: &Error) -> Reply {
    let mut reply = whole(error.status(), "application/problem+json", error.problem());
    if let Some((name, value)) = error.header() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// A body that is written as it is made. One that fails is cut, never ended as if whole.
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

/// The same answer; one that is streamed is cut when this comes about.
pub fn cut_when<F: Future<Output = ()> + Send + 'static>(reply: Reply, end: impl FnOnce() -> F) -> Reply {
    reply.map(|body| match body {
        Either::Left(whole) => Either::Left(whole),
        Either::Right(streamed) => {
            let parts = (streamed.into_data_stream(), Box::pin(end()));
            let chunks = stream::try_unfold(parts, |(mut chunks, mut end)| async move {
                match future::select(&mut end, chunks.try_next()).await {
                    future::Either::Left(_) => Err("who asked may no longer".into()),
                    future::Either::Right((chunk, _)) => Ok(chunk?.map(|chunk| (chunk, (chunks, end)))),
                }
            });
            Either::Right(StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync())
        }
    })
}

/// Sets a header whose value the service made; one that is no header value is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A body of any type.
#[must_use]
pub fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// The header row of [`csv_row`]s.
#[must_use]
pub fn csv_header() -> String {
    Record::columns().collect::<Vec<_>>().join(",") + "\r\n"
}

/// One record as a row of RFC 4180. A text that a spreadsheet would take for a formula gets a leading `'`.
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

fn csv_text(text: &str, out: &mut String) {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\r', '\n']) {
        out.push('"');
        out.push_str(guard);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(guard);
        out.push_str(text);
    }
}
