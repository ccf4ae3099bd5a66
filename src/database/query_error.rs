//! Why a query has no answer, and what is known of it then.

use tokio_postgres::error::SqlState;

use crate::error::{Cause, Chained, Error};

/// Why a query has no answer.
#[derive(Debug)]
pub enum QueryError {
    /// No connection could be made: nothing was sent.
    Unreachable(Cause),
    /// The server executed nothing of it, and the connection is unusable.
    StaleConnection(Cause),
    /// The server lacks time, disk space or memory now, and executed nothing of it.
    Overloaded(Cause),
    /// The connection broke: it may have been executed.
    Lost(Cause),
    /// No answer before the deadline: it may have been executed, or may yet be.
    TimedOut,
    /// The query, or what it met, is wrong.
    Failed(Cause),
}

impl QueryError {
    /// Classifies an error of the connection or of the server.
    pub fn of(error: tokio_postgres::Error) -> Self {
        let Some(database_error) = error.as_db_error() else {
            let is_io = std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
            return if error.is_closed() || is_io { Self::Lost(error.into()) } else { Self::Failed(error.into()) };
        };
        let code = database_error.code();
        match &code.code()[..2] {
            // Out of disk, memory, connections or locks.
            "53" => Self::Overloaded(error.into()),
            // Cancelled by somebody, or by a time-out of the role or the database.
            _ if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE => {
                Self::Overloaded(error.into())
            }
            // A pooler that lost its server does not know what that executed.
            "08" => Self::Lost(error.into()),
            // Rolled back for the sake of another transaction.
            "40" => Self::Overloaded(error.into()),
            // The server shuts down or ends the session.
            "57" => Self::StaleConnection(error.into()),
            // A plan or a statement that a migration took away or a pooler mixed up, a fail-over to a read-only server, a session
            // that was ended while idle in a transaction.
            _ if ["0A000", "26000", "42P05", "25006", "25P03"].contains(&code.code()) => {
                Self::StaleConnection(error.into())
            }
            _ => Self::Failed(error.into()),
        }
    }

    /// What a client is told: the same for each of several requests.
    #[must_use]
    pub fn share(&self) -> Error {
        match self {
            Self::TimedOut => Error::Unavailable("the database did not answer in time".into()),
            Self::Failed(cause) => Error::Internal(copy(cause)),
            Self::Unreachable(cause) | Self::StaleConnection(cause) | Self::Overloaded(cause) | Self::Lost(cause) => {
                Error::Unavailable(copy(cause))
            }
        }
    }

    /// Whether the connection must not be used again.
    #[must_use]
    pub fn breaks_connection(&self) -> bool {
        matches!(self, Self::StaleConnection(_) | Self::Lost(_) | Self::TimedOut)
    }
}

fn copy(cause: &Cause) -> Cause {
    Chained(cause.as_ref()).to_string().into()
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        error.share()
    }
}
