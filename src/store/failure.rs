//! Why a query has no answer, and what is known of it then.

use tokio_postgres::error::SqlState;

use crate::error::{Cause, Chained, Error};

/// Why a query has no answer.
#[derive(Debug)]
pub enum Failure {
    /// There is no connection to be had: nothing was sent.
    Unreachable(Cause),
    /// The server took nothing of it, and the connection is of no more use.
    Undone(Cause),
    /// Another transaction stood in its way, and the server took nothing of it.
    Collided(Cause),
    /// The server lacks time, room or memory for it now, and took nothing of it.
    Overloaded(Cause),
    /// The connection was lost: nobody knows.
    Lost(Cause),
    /// The database stands still: nobody knows.
    Silent(Cause),
    /// The query is wrong.
    Broken(Cause),
}

impl Failure {
    /// As a request is told of it: the same for each of several.
    #[must_use]
    pub fn share(&self) -> Error {
        let (Self::Unreachable(cause)
        | Self::Undone(cause)
        | Self::Collided(cause)
        | Self::Overloaded(cause)
        | Self::Lost(cause)
        | Self::Silent(cause)
        | Self::Broken(cause)) = self;
        let cause = Chained(cause.as_ref()).to_string().into();
        if matches!(self, Self::Broken(_)) { Error::Internal(cause) } else { Error::Unavailable(cause) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.share()
    }
}

/// What an error of the connection, or of the server, means for what was asked.
pub fn of(error: tokio_postgres::Error) -> Failure {
    let Some(database_error) = error.as_db_error() else {
        return if error.is_closed()
            || std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        {
            Failure::Lost(error.into())
        } else {
            Failure::Broken(error.into())
        };
    };
    let code = database_error.code();
    let is_key = database_error.constraint() == Some("key_is_unique_in_its_component");
    let class = &code.code()[..2];
    if *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE || is_key {
        Failure::Collided(error.into())
    } else if *code == SqlState::QUERY_CANCELED || class == "53" {
        Failure::Overloaded(error.into())
    // A pooler that lost its server: what that made of it, nobody knows.
    } else if class == "08" {
        Failure::Lost(error.into())
    // A plan that a migration or a pooler took away, a fail-over to a server that only reads, a server that ends.
    } else if ["0A000", "26000", "25006"].contains(&code.code()) || class == "57" {
        Failure::Undone(error.into())
    } else {
        Failure::Broken(error.into())
    }
}
