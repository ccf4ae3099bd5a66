//! Everything that can go wrong with a request: what the client is told, and what only the log may know.

use std::{borrow::Cow, fmt};

use hyper::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Serialize;

use crate::{auth::Refusal, domain::record::FieldError};

/// A cause that only the log sees.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Shows an error with what caused it.
pub struct Chained<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.0.source().map_or(Ok(()), |source| write!(f, ": {}", Chained(source)))
    }
}

/// A line of an NDJSON body that cannot be as it is.
#[derive(Debug)]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it; a line that is no JSON object has no field.
    pub error: FieldError,
}

/// Why a request gets no answer of success.
#[derive(Debug)]
pub enum Error {
    /// 400: the request cannot be read.
    Malformed(String),
    /// 400: fields, or query parameters, that cannot be as they are.
    Fields(Vec<FieldError>),
    /// 400: lines that cannot be as they are.
    Lines(Vec<LineError>),
    /// 417.
    ExpectationFailed,
    /// 422: a key that was used for other content.
    KeyReused(Vec<FieldError>),
    /// 422: the same, in an NDJSON body.
    KeysReused(Vec<LineError>),
    /// 401 or 403: who asks is not known, or may not.
    Refused(Refusal),
    /// 403: a component that the token may not write of.
    OutOfBounds(FieldError),
    /// 403: the same, in an NDJSON body.
    LinesOutOfBounds(Vec<LineError>),
    /// 404.
    NotFound,
    /// 405, with the methods that the path has.
    MethodNotAllowed(String),
    /// 406, with the types there are.
    NotAcceptable(&'static str),
    /// 408: a header or a body.
    Timeout,
    /// 411.
    LengthRequired,
    /// 412.
    PreconditionFailed,
    /// 413, with the limit in words.
    TooLarge(Cow<'static, str>),
    /// 414.
    TargetTooLong,
    /// 415, with what is wanted.
    UnsupportedMediaType(&'static str),
    /// 415: a body that is coded.
    UnsupportedCoding,
    /// 429: as many connections as an address may have.
    TooManyConnections,
    /// 501: a method that HTTP does not know here.
    NotImplemented,
    /// 501: a body that is coded on its way, and not only chunked.
    UnknownTransferCoding,
    /// 503: the database does not answer; later it may.
    Unavailable(Cause),
    /// 503: the service is not ready yet; what it does meanwhile.
    Starting(String),
    /// 503: as many read events as may.
    TooManyReaders,
    /// 503: bodies take as much memory as they may.
    TooManyBodies,
    /// 500.
    Internal(Cause),
}

/// An RFC 9457 problem.
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
    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Fields(_) | Self::Lines(_) => StatusCode::BAD_REQUEST,
            Self::KeyReused(_) | Self::KeysReused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Refused(refusal) if !refusal.is_forbidden() => StatusCode::UNAUTHORIZED,
            Self::Refused(_) | Self::OutOfBounds(_) | Self::LinesOutOfBounds(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable(_) => StatusCode::NOT_ACCEPTABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType(_) | Self::UnsupportedCoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::TooManyConnections => StatusCode::TOO_MANY_REQUESTS,
            Self::NotImplemented | Self::UnknownTransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) | Self::Starting(_) | Self::TooManyReaders | Self::TooManyBodies => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The header that goes with the status.
    #[must_use]
    pub fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some(match self {
            Self::Refused(refusal) => (header::WWW_AUTHENTICATE, refusal.challenge()),
            Self::OutOfBounds(_) | Self::LinesOutOfBounds(_) => {
                let challenge = r#"Bearer realm="deploylog", error="insufficient_scope""#;
                (header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
            }
            Self::MethodNotAllowed(methods) => (header::ALLOW, HeaderValue::from_str(methods).ok()?),
            Self::NotAcceptable(_) => (header::VARY, HeaderValue::from_static("accept")),
            Self::UnsupportedMediaType(types) => {
                (header::ACCEPT, HeaderValue::from_str(&types.replace(" or ", ", ")).ok()?)
            }
            Self::UnsupportedCoding => (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            Self::Unavailable(_) | Self::Starting(_) | Self::TooManyBodies => {
                (header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            Self::TooManyReaders | Self::TooManyConnections => (header::RETRY_AFTER, HeaderValue::from_static("30")),
            _ => return None,
        })
    }

    /// The body: `application/problem+json`.
    #[must_use]
    pub fn problem(&self) -> Vec<u8> {
        let status = self.status();
        let (detail, errors) = match self {
            Self::Fields(errors) | Self::KeyReused(errors) => {
                (of_fields(errors), errors.iter().map(|error| ProblemError::new(None, error)).collect())
            }
            Self::OutOfBounds(error) => (self.detail(), vec![ProblemError::new(None, error)]),
            Self::Lines(errors) | Self::KeysReused(errors) | Self::LinesOutOfBounds(errors) => {
                (of_lines(errors), errors.iter().map(|line| ProblemError::new(Some(line.line), &line.error)).collect())
            }
            _ => (self.detail(), Vec::new()),
        };
        let title = status.canonical_reason().unwrap_or_default();
        serde_json::to_vec(&Problem { status: status.as_u16(), title, detail: &detail, errors }).unwrap_or_default()
    }

    fn detail(&self) -> String {
        match self {
            Self::Malformed(reason) => reason.clone(),
            Self::Refused(refusal) => refusal.sentence(),
            Self::OutOfBounds(error) => of_fields(std::slice::from_ref(error)),
            Self::NotFound => "there is nothing here".to_owned(),
            Self::MethodNotAllowed(methods) => format!("this path has {methods}"),
            Self::NotAcceptable(types) => format!("this is there as {types}"),
            Self::Timeout => "the request did not arrive in time".to_owned(),
            Self::LengthRequired => "send a body, with Content-Length or chunked".to_owned(),
            Self::PreconditionFailed => "the record was changed since: read it again".to_owned(),
            Self::TooLarge(limit) => format!("the body is larger than {limit}"),
            Self::TargetTooLong => "the target is longer than 32 KiB".to_owned(),
            Self::UnsupportedMediaType(types) => format!("send the body with Content-Type: {types}"),
            Self::UnsupportedCoding => "send the body without Content-Encoding".to_owned(),
            Self::ExpectationFailed => "nothing but 100-continue can be expected here".to_owned(),
            Self::TooManyConnections => "this address has as many connections as it may: use those again".to_owned(),
            Self::UnknownTransferCoding => "send the body with Content-Length, or chunked and not coded".to_owned(),
            Self::NotImplemented => "this method is not known here".to_owned(),
            Self::Unavailable(_) => "the database does not answer in time: try again".to_owned(),
            Self::Starting(step) => format!("the service is starting: {step}"),
            Self::TooManyBodies => "as much is being sent as may at the same time: try again".to_owned(),
            Self::TooManyReaders => "as many read events as may at the same time: try again later".to_owned(),
            Self::Internal(_) => "this is a fault of the service: its log says more".to_owned(),
            Self::Fields(errors) | Self::KeyReused(errors) => of_fields(errors),
            Self::Lines(errors) | Self::KeysReused(errors) | Self::LinesOutOfBounds(errors) => of_lines(errors),
        }
    }
}

impl fmt::Display for Error {
    /// For the log: with the cause.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => Chained(cause.as_ref()).fmt(f),
            _ => f.write_str(&self.detail()),
        }
    }
}

impl std::error::Error for Error {}

impl<'a> ProblemError<'a> {
    fn new(line: Option<usize>, error: &'a FieldError) -> Self {
        Self { line, field: &error.field, reason: &error.reason }
    }
}

fn of_fields(errors: &[FieldError]) -> String {
    let each: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.reason)).collect();
    each.join("; ")
}

fn of_lines(errors: &[LineError]) -> String {
    let each: Vec<_> =
        errors
            .iter()
            .take(3)
            .map(|LineError { line, error: FieldError { field, reason } }| {
                if field.is_empty() {
                    format!("line {line} {reason}")
                } else {
                    format!("line {line}: {field} {reason}")
                }
            })
            .collect();
    each.join("; ")
}
