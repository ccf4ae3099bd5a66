//! Every error of a request: the status and message that the client gets, and the cause that only the log shows.

use std::{borrow::Cow, fmt};

use hyper::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use crate::{
    auth::Refusal,
    domain::{caller::Scope, record::FieldError},
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

/// An error in a line of an NDJSON body.
#[derive(Debug)]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// The field is empty if the line is not a JSON object.
    pub error: FieldError,
}

#[derive(Debug)]
pub enum Error {
    /// 400: the request is not valid HTTP or not valid JSON.
    Malformed(String),
    /// 400: invalid fields or query parameters.
    Fields(Vec<FieldError>),
    /// 400: invalid lines of an NDJSON body.
    Lines(Vec<LineError>),
    /// 401 or 403
    Refused(Refusal),
    /// 403: the token is not valid for this component.
    ComponentRefused(FieldError),
    /// 403: the same for lines of an NDJSON body.
    LinesRefused(Vec<LineError>),
    /// 404
    NotFound,
    /// 405 with the value of `Allow`
    MethodNotAllowed(String),
    /// 406 with the available media types
    NotAcceptable(String),
    /// 408
    RequestTimeout,
    /// 411
    LengthRequired,
    /// 412
    PreconditionFailed,
    /// 413 with the limit in words
    TooLarge(Cow<'static, str>),
    /// 414
    TargetTooLong,
    /// 415 with the supported media types
    UnsupportedMediaType(&'static [&'static str]),
    /// 415: a compressed body.
    UnsupportedCoding,
    /// 417
    ExpectationFailed,
    /// 422: the key belongs to a record with other content.
    KeyReused(Vec<FieldError>),
    /// 422: the same for lines of an NDJSON body.
    KeysReused(Vec<LineError>),
    /// 429
    TooManyConnections,
    /// 500
    Internal(Cause),
    /// 501: an unknown method.
    UnknownMethod,
    /// 501: a transfer coding other than chunked.
    UnknownTransferCoding,
    /// 503: the database does not answer in time.
    Unavailable(Cause),
    /// 503: the current step of the start.
    Starting(String),
    /// 503
    TooManySubscribers,
    /// 503
    TooManyBodies,
}

/// The body of RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemError<'a>>,
}

#[derive(Serialize)]
struct ProblemError<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    reason: &'a str,
}

impl Error {
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status_and_detail().0
    }

    /// The header that RFC 9110 asks for beside the status.
    #[must_use]
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Refused(refusal) => (header::WWW_AUTHENTICATE, challenge(refusal)),
            Self::ComponentRefused(_) | Self::LinesRefused(_) => {
                (header::WWW_AUTHENTICATE, r#"Bearer realm="deploylog", error="insufficient_scope""#)
            }
            Self::MethodNotAllowed(methods) => (header::ALLOW, methods.as_str()),
            Self::NotAcceptable(_) => (header::VARY, "accept"),
            Self::UnsupportedMediaType(types) => return Some((header::ACCEPT, list(types).parse().ok()?)),
            Self::UnsupportedCoding => (header::ACCEPT_ENCODING, "identity"),
            Self::Unavailable(_) | Self::Starting(_) | Self::TooManyBodies => (header::RETRY_AFTER, "1"),
            Self::TooManySubscribers | Self::TooManyConnections => (header::RETRY_AFTER, "30"),
            _ => return None,
        };
        Some((name, value.parse().ok()?))
    }

    /// The body: `application/problem+json`.
    #[must_use]
    pub fn problem(&self) -> Vec<u8> {
        let errors = match self {
            Self::Fields(errors) | Self::KeyReused(errors) => errors.iter().map(|error| (None, error)).collect(),
            Self::ComponentRefused(error) => vec![(None, error)],
            Self::Lines(errors) | Self::KeysReused(errors) | Self::LinesRefused(errors) => {
                errors.iter().map(|LineError { line, error }| (Some(*line), error)).collect()
            }
            _ => Vec::new(),
        };
        let errors =
            errors.into_iter().map(|(line, FieldError { field, reason })| ProblemError { line, field, reason });
        let (status, detail) = self.status_and_detail();
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Problem { status: status.as_u16(), title, detail: &detail, errors: errors.collect() };
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    fn status_and_detail(&self) -> (StatusCode, Cow<'_, str>) {
        match self {
            Self::Malformed(reason) => (StatusCode::BAD_REQUEST, reason.into()),
            Self::Fields(errors) => (StatusCode::BAD_REQUEST, of_fields(errors)),
            Self::Lines(errors) => (StatusCode::BAD_REQUEST, of_lines(errors)),
            Self::Refused(refusal @ Refusal::Scope { .. }) => (StatusCode::FORBIDDEN, refusal.sentence().into()),
            Self::Refused(refusal) => (StatusCode::UNAUTHORIZED, refusal.sentence().into()),
            Self::ComponentRefused(error) => (StatusCode::FORBIDDEN, of_field(error).into()),
            Self::LinesRefused(errors) => (StatusCode::FORBIDDEN, of_lines(errors)),
            Self::NotFound => (StatusCode::NOT_FOUND, "not found".into()),
            Self::MethodNotAllowed(methods) => {
                (StatusCode::METHOD_NOT_ALLOWED, format!("allowed methods: {methods}").into())
            }
            Self::NotAcceptable(types) => {
                (StatusCode::NOT_ACCEPTABLE, format!("available media types: {types}").into())
            }
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time".into()),
            Self::LengthRequired => {
                (StatusCode::LENGTH_REQUIRED, "send a body with Content-Length or in chunks".into())
            }
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "the record has changed: read it again".into())
            }
            Self::TooLarge(limit) => (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit}").into()),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "the request target is longer than 32 KiB".into()),
            Self::UnsupportedMediaType(types) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("supported media types: {}", list(types)).into())
            }
            Self::UnsupportedCoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding".into())
            }
            Self::ExpectationFailed => {
                (StatusCode::EXPECTATION_FAILED, "the only supported expectation is 100-continue".into())
            }
            Self::KeyReused(errors) => (StatusCode::UNPROCESSABLE_ENTITY, of_fields(errors)),
            Self::KeysReused(errors) => (StatusCode::UNPROCESSABLE_ENTITY, of_lines(errors)),
            Self::TooManyConnections => {
                (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address: reuse connections".into())
            }
            Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error: see the log of the service".into())
            }
            Self::UnknownMethod => (StatusCode::NOT_IMPLEMENTED, "unknown method".into()),
            Self::UnknownTransferCoding => {
                (StatusCode::NOT_IMPLEMENTED, "the only supported transfer coding is chunked".into())
            }
            Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time: try again".into())
            }
            Self::Starting(step) => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("the service is starting: {step}").into())
            }
            Self::TooManyBodies => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many request bodies in progress: try again".into())
            }
            Self::TooManySubscribers => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many event subscribers: try again later".into())
            }
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

/// The value of `WWW-Authenticate` by RFC 6750.
fn challenge(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Missing => r#"Bearer realm="deploylog""#,
        Refusal::Malformed | Refusal::Unknown | Refusal::Expired => {
            r#"Bearer realm="deploylog", error="invalid_token""#
        }
        Refusal::Scope { needed, .. } => match needed {
            Scope::Read => r#"Bearer realm="deploylog", error="insufficient_scope", scope="read""#,
            Scope::Write => r#"Bearer realm="deploylog", error="insufficient_scope", scope="write""#,
            Scope::Admin => r#"Bearer realm="deploylog", error="insufficient_scope", scope="admin""#,
        },
    }
}

fn list(types: &[&str]) -> String {
    types.join(", ")
}

fn of_fields(errors: &[FieldError]) -> Cow<'static, str> {
    errors.iter().map(of_field).collect::<Vec<_>>().join("; ").into()
}

fn of_lines(errors: &[LineError]) -> Cow<'static, str> {
    errors.iter().take(3).map(of_line).collect::<Vec<_>>().join("; ").into()
}

fn of_field(FieldError { field, reason }: &FieldError) -> String {
    format!("{field} {reason}")
}

fn of_line(LineError { line, error }: &LineError) -> String {
    if error.field.is_empty() {
        format!("line {line} {}", error.reason)
    } else {
        format!("line {line}: {}", of_field(error))
    }
}
