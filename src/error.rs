//! Every error of a request: the status and message that the client gets, and the cause that only the log shows.

use std::{borrow::Cow, fmt};

use hyper::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use crate::domain::{
    caller::{Refusal, Scope},
    record::FieldError,
};

pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Displays an error and all its sources.
pub struct Chained<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.source().map_or(Ok(()), |source| write!(f, ": {}", Chained(source)))
    }
}

/// The statuses and messages are in [`Error::status_and_detail`].
#[derive(Debug)]
pub enum Error {
    /// The request is not valid HTTP or not valid JSON.
    Malformed(String),
    /// Invalid fields or query parameters.
    Fields(Vec<FieldError>),
    Refused(Refusal),
    /// The token is not valid for these components.
    ComponentsRefused(Vec<FieldError>),
    NotFound,
    /// With the value of `Allow`.
    MethodNotAllowed(String),
    /// With the available media types.
    NotAcceptable(String),
    RequestTimeout,
    LengthRequired,
    PreconditionFailed,
    /// With the limit in words.
    TooLarge(Cow<'static, str>),
    TargetTooLong,
    /// With the supported media types.
    UnsupportedMediaType(&'static [&'static str]),
    UnsupportedCoding,
    ExpectationFailed,
    /// Idempotency keys belong to records with other content.
    KeysReused(Vec<FieldError>),
    TooManyConnections,
    Internal(Cause),
    UnknownMethod,
    UnknownTransferCoding,
    /// The database cannot be used: it does not respond in time, its schema is not current, too many requests wait for
    /// it, or the service is shutting down.
    Unavailable(Cause),
    /// A list or report was cancelled at its deadline. With what to do.
    TooSlow(Cow<'static, str>),
    /// The disk of the database. Reads go on.
    DiskFull,
    /// With the current step of the start.
    Starting(String),
    TooManySubscribers,
    TooManyBodies,
    /// Unfinished heads.
    TooManyHeads,
    /// Answers that wait for their clients.
    TooManyAnswers,
}

/// The body of RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Error {
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status_and_detail().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The header that RFC 9110 asks for beside the status.
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Refused(refusal) => (header::WWW_AUTHENTICATE, challenge(refusal)?),
            Self::ComponentsRefused(_) => {
                (header::WWW_AUTHENTICATE, r#"Bearer realm="deploylog", error="insufficient_scope""#)
            }
            Self::MethodNotAllowed(methods) => (header::ALLOW, methods.as_str()),
            Self::NotAcceptable(_) => (header::VARY, "accept"),
            Self::UnsupportedMediaType(types) => return Some((header::ACCEPT, list(types).parse().ok()?)),
            Self::UnsupportedCoding => (header::ACCEPT_ENCODING, "identity"),
            Self::Unavailable(_)
            | Self::Starting(_)
            | Self::TooManyBodies
            | Self::TooManyHeads
            | Self::TooManyAnswers => (header::RETRY_AFTER, "1"),
            Self::TooManySubscribers | Self::TooManyConnections | Self::DiskFull => (header::RETRY_AFTER, "30"),
            Self::TooSlow(_) => (header::RETRY_AFTER, "60"),
            _ => return None,
        };
        Some((name, value.parse().ok()?))
    }

    /// The body: `application/problem+json`.
    pub fn problem(&self) -> Vec<u8> {
        let errors: &[_] = match self {
            Self::Fields(errors) | Self::ComponentsRefused(errors) | Self::KeysReused(errors) => errors,
            _ => &[],
        };
        let (status, detail) = self.status_and_detail();
        let title = match status {
            // The name in RFC 9110; the library has an older one.
            422 => "Unprocessable Content",
            _ => self.status().canonical_reason().unwrap_or_default(),
        };
        let problem = Problem { status, title, detail: &detail, errors };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    fn status_and_detail(&self) -> (u16, Cow<'_, str>) {
        match self {
            Self::Malformed(reason) => (400, reason.into()),
            Self::Fields(errors) => (400, sentences(errors)),
            Self::Refused(refusal @ (Refusal::Missing | Refusal::Malformed | Refusal::Unknown | Refusal::Expired)) => {
                (401, refusal.sentence().into())
            }
            Self::Refused(refusal) => (403, refusal.sentence().into()),
            Self::ComponentsRefused(errors) => (403, sentences(errors)),
            Self::NotFound => (404, "not found".into()),
            Self::MethodNotAllowed(methods) => (405, format!("allowed methods: {methods}").into()),
            Self::NotAcceptable(types) => (406, format!("available media types: {types}").into()),
            Self::RequestTimeout => (408, "the request did not arrive in time".into()),
            Self::LengthRequired => (411, "send a body with Content-Length or in chunks".into()),
            Self::PreconditionFailed => (412, "the record has changed: read it again".into()),
            Self::TooLarge(limit) => (413, format!("the body is larger than {limit}").into()),
            Self::TargetTooLong => (414, "the request target is longer than 32 KiB".into()),
            Self::UnsupportedMediaType(types) => (415, format!("supported media types: {}", list(types)).into()),
            Self::UnsupportedCoding => (415, "send the body without Content-Encoding".into()),
            Self::ExpectationFailed => (417, "the only supported expectation is 100-continue".into()),
            Self::KeysReused(errors) => (422, sentences(errors)),
            Self::TooManyConnections => (429, "too many connections from this address: reuse connections".into()),
            Self::Internal(_) => (500, "internal error: see the log of the service".into()),
            Self::UnknownMethod => (501, "unknown method".into()),
            Self::UnknownTransferCoding => (501, "the only supported transfer coding is chunked".into()),
            Self::DiskFull => (503, "the disk of the database is full: free space on it, then try again".into()),
            Self::Unavailable(_) => (503, "the database does not answer in time: try again".into()),
            Self::TooSlow(detail) => (503, detail.as_ref().into()),
            Self::Starting(step) => (503, format!("the service is starting: {step}").into()),
            Self::TooManyBodies => (503, "too many request bodies in progress: try again".into()),
            Self::TooManyHeads => (503, "too many long headers in progress: try again".into()),
            Self::TooManyAnswers => (503, "too many answers wait for slow clients: try again".into()),
            Self::TooManySubscribers => (503, "too many event subscribers: try again later".into()),
        }
    }
}

impl fmt::Display for Error {
    /// For the log: with the cause.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Chained(cause.as_ref()).fmt(f),
            _ => f.write_str(&self.status_and_detail().1),
        }
    }
}

impl std::error::Error for Error {}

/// The value of `WWW-Authenticate` by RFC 6750. `None` if no token would help.
fn challenge(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::ForeignHost(_) | Refusal::ForeignOrigin(_) => return None,
        Refusal::Missing => r#"Bearer realm="deploylog""#,
        Refusal::Malformed | Refusal::Unknown | Refusal::Expired => {
            r#"Bearer realm="deploylog", error="invalid_token""#
        }
        Refusal::Scope { needed, .. } => match needed {
            Scope::Read => r#"Bearer realm="deploylog", error="insufficient_scope", scope="read""#,
            Scope::Write => r#"Bearer realm="deploylog", error="insufficient_scope", scope="write""#,
            Scope::Admin => r#"Bearer realm="deploylog", error="insufficient_scope", scope="admin""#,
        },
    })
}

fn list(types: &[&str]) -> String {
    types.join(", ")
}

/// All errors of a record, or the first three of an NDJSON body.
fn sentences(errors: &[FieldError]) -> Cow<'static, str> {
    let max = if errors.first().is_some_and(|error| error.line.is_some()) { 3 } else { errors.len() };
    errors.iter().take(max).map(ToString::to_string).collect::<Vec<_>>().join("; ").into()
}
