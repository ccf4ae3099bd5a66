//! How a PostgreSQL is reached: what `DATABASE_URL` says of it, TLS, and making a connection.

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "database/no_tls.rs"]
mod tls;
mod url;

pub mod migrate;
mod pipeline;
mod pool;
mod query_error;

use std::{error::Error as _, fmt, pin::Pin};

use std::future::poll_fn;

pub use pipeline::Pipeline;
pub use pool::{DeployDigest, Parameters, Plans, Pool, PoolLimits, connect_options};
pub use query_error::QueryError;
use tokio::task::JoinHandle;
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Error, NoTls, Socket,
    config::SslMode,
    error::{DbError, SqlState},
    tls::{MakeTlsConnect, TlsConnect},
};

use self::tls::Tls;
use crate::error::Chained;

/// A PostgreSQL as it is reached.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it is, who comes, and with what patience.
    pub config: Config,
    /// Where there is none, connections are plain.
    tls: Option<Tls>,
}

/// A connection, and the task that moves its bytes until it ends.
pub type Connected = (Client, JoinHandle<()>);

impl Endpoint {
    /// One that is reached without TLS.
    #[must_use]
    pub fn plain(config: Config) -> Self {
        Self { config, tls: None }
    }

    /// Makes a connection.
    pub async fn connect(&self) -> Result<Connected, Error> {
        let Some(tls) = &self.tls else { return open(&self.config, NoTls).await };
        match open(&self.config, Tls::clone(tls)).await {
            Err(error) if self.config.get_ssl_mode() == SslMode::Prefer && may_do_without(&error) => {
                tracing::warn!("no TLS with the database ({}): sslmode=prefer goes on without", Chained(&error));
                let plain = open(&self.config, NoTls).await;
                // Who may not come in either way is told of the better one.
                plain.map_err(|second| if may_do_without(&second) { error } else { second })
            }
            result => result,
        }
    }

    /// Asks the server to cancel what a connection executes.
    pub async fn cancel(&self, token: &CancelToken) -> Result<(), Error> {
        match &self.tls {
            Some(tls) => token.cancel_query(Tls::clone(tls)).await,
            None => token.cancel_query(NoTls).await,
        }
    }
}

/// The pool's way to make one. Its options are the endpoint's own.
impl deadpool_postgres::Connect for Endpoint {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Result<Connected, Error>> + Send + '_>> {
        Box::pin(self.connect())
    }
}

async fn open<T>(config: &Config, tls: T) -> Result<Connected, Error>
where
    T: MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: TlsConnect<Socket, Future: Send> + Send> + Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    let task = tokio::spawn(async move {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) if is_unreplicated_commit(&notice) => {
                    tracing::warn!("a commit was not confirmed by the synchronous standby: its answer is discarded");
                    break;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("a connection to the database broke: {}", Chained(&error));
                    break;
                }
            }
        }
    });
    Ok((client, task))
}

/// Whether the server gave up waiting for a synchronous standby: then it answers the commit as if it were safe. The
/// message is translated, the name of the routine is not. It arrives before that answer, so the answer is lost with the
/// connection.
fn is_unreplicated_commit(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN")
}

/// Where both sides cannot agree on TLS, or the server lets nobody in that way.
fn may_do_without(error: &Error) -> bool {
    is_refusal(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// Whether there is no TLS with that server, and waiting does not mend it.
#[must_use]
pub fn is_refusal(error: &Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<Refusal>() || cause.to_string() == "server does not support TLS")
}

/// Why there is no TLS with a server that offers it: a sentence without its full stop.
#[derive(Debug)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
