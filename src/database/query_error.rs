//! Why a query failed, and whether the server executed it.

use std::{error::Error as _, fmt, io, sync::Arc};

use tokio_postgres::error::SqlState;

use crate::error::{Cause, Chained, Error};

#[derive(Debug)]
pub enum QueryError {
    /// No connection could be made. Nothing was sent.
    Unreachable(Cause),
    /// The connection is unusable. The server executed nothing.
    StaleConnection(Cause),
    /// The server lacked resources or rolled the query back. Nothing was changed.
    Overloaded(Cause),
    /// The server cancelled the query. Nothing was changed.
    Cancelled(Cause),
    /// The connection broke. The server may have executed the query.
    Lost(Cause),
    /// The deadline passed while the server was executing the query, which is cancelled. Nothing was changed.
    TooSlow,
    /// The deadline passed. The server may have executed the query, or may still do so.
    TimedOut,
    /// The query or its data is wrong.
    Failed(Cause),
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(state) = error.code().map(SqlState::code) else {
            let is_io = error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
            return if error.is_closed() || is_io { Self::Lost(error.into()) } else { Self::Failed(error.into()) };
        };
        let variant = match (&state[..2], state) {
            // The server is out of disk space, memory or connections, or rolled back because of another transaction, or a
            // lock was not free.
            ("53" | "40", _) | (_, "55P03") => Self::Overloaded,
            // By someone, or by a timeout of the role or the database.
            (_, "57014") => Self::Cancelled,
            // A pooler that lost its server does not know what the server executed.
            ("08", _) => Self::Lost,
            // The server shuts down or ends the session; a migration or a pooler invalidated a plan or a prepared
            // statement; a failover left a read-only server; or the session was idle in a transaction for too long.
            ("57", _) | (_, "0A000" | "26000" | "42P05" | "25006" | "25P03") => Self::StaleConnection,
            _ => Self::Failed,
        };
        variant(error.into())
    }
}

impl QueryError {
    /// The response to a request. One failed query can be the cause for several.
    pub fn to_error(&self) -> Error {
        match self {
            Self::TooSlow | Self::TimedOut => Error::Unavailable("the database did not respond in time".into()),
            Self::Failed(cause) => Error::Internal(copy(cause)),
            Self::Overloaded(cause) if is_disk_full(cause) => Error::DiskFull,
            Self::Unreachable(cause)
            | Self::StaleConnection(cause)
            | Self::Overloaded(cause)
            | Self::Cancelled(cause)
            | Self::Lost(cause) => Error::Unavailable(copy(cause)),
        }
    }

    /// Whether the query can be repeated even if it changes something.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::StaleConnection(_))
    }

    /// Whether the connection must not be used again.
    pub fn breaks_connection(&self) -> bool {
        matches!(self, Self::StaleConnection(_) | Self::Lost(_) | Self::TimedOut)
    }
}

fn is_disk_full(cause: &Cause) -> bool {
    let error = cause.downcast_ref::<tokio_postgres::Error>();
    error.and_then(tokio_postgres::Error::code) == Some(&SqlState::DISK_FULL)
}

fn copy(cause: &Cause) -> Cause {
    Chained(cause.as_ref()).to_string().into()
}

impl From<Arc<QueryError>> for Error {
    fn from(error: Arc<QueryError>) -> Self {
        error.to_error()
    }
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        error.to_error()
    }
}

/// Runs a query, and once more if the first error allows it.
pub async fn retry<T, F>(is_retryable: fn(&QueryError) -> bool, query: impl Fn() -> F) -> Result<T, QueryError>
where
    F: Future<Output = Result<T, QueryError>>,
{
    match query().await {
        Err(error) if is_retryable(&error) => query().await,
        result => result,
    }
}

/// Why the handshake failed with a server that offers TLS.
#[derive(Debug)]
pub struct TlsError(pub String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}
