//! The endpoint of a database, and connections to it.

use std::{error::Error as _, future::poll_fn, pin::Pin, time::Duration};

use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Error, NoTls, Socket,
    config::SslMode,
    error::SqlState,
    tls::{MakeTlsConnect, TlsConnect},
};

use super::query_error::TlsError;
use super::tls::Tls;
use crate::error::Chained;

const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);
/// Each cancellation needs a connection of its own. Clients that leave must not cause many of them at once.
static CANCELS: Semaphore = Semaphore::const_new(4);

/// How to connect to a database.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub config: Config,
    /// Without it, connections are not encrypted.
    pub(super) tls: Option<Tls>,
}

/// A connection, and the task that moves its bytes until it ends.
pub type Connected = (Client, JoinHandle<()>);

impl Endpoint {
    /// An endpoint without TLS.
    pub fn plain(config: Config) -> Self {
        Self { config, tls: None }
    }

    pub async fn connect(&self) -> Result<Connected, Error> {
        let Some(tls) = &self.tls else { return open(&self.config, NoTls).await };
        let error = match open(&self.config, Tls::clone(tls)).await {
            Err(error) if self.config.get_ssl_mode() == SslMode::Prefer && allows_fallback(&error) => error,
            result => return result,
        };
        tracing::warn!("TLS with the database failed, connecting without it (sslmode=prefer): {}", Chained(&error));
        // If the server rejects both, the error with TLS is the better one.
        open(&self.config, NoTls).await.map_err(|plain| if allows_fallback(&plain) { error } else { plain })
    }

    /// Requests that the server cancels what a connection executes. If this fails, the query ends by itself, or when the
    /// server notices the closed connection.
    pub async fn cancel(&self, token: &CancelToken) {
        let Ok(_permit) = CANCELS.acquire().await else { return };
        let cancelled = async {
            match &self.tls {
                Some(tls) => token.cancel_query(Tls::clone(tls)).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        if !matches!(timeout(CANCEL_TIMEOUT, cancelled).await, Ok(Ok(()))) {
            tracing::debug!("the database did not accept the request to cancel a query");
        }
    }
}

impl deadpool_postgres::Connect for Endpoint {
    /// Ignores the pool's options, because they are the endpoint's.
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
                // The server gave up waiting for a synchronous standby, and next reports the commit as successful.
                // Closing the connection discards that report. The routine's name, unlike the text, is not translated.
                Ok(AsyncMessage::Notice(notice)) if notice.routine() == Some("SyncRepWaitForLSN") => {
                    tracing::warn!("the synchronous standbys did not confirm a commit: closing its connection");
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

/// Whether TLS fails, or the server rejects connections with TLS.
fn allows_fallback(error: &Error) -> bool {
    is_tls_failure(error) || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// Whether TLS with this server fails however often it is tried.
pub fn is_tls_failure(error: &Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<TlsError>() || cause.to_string() == "server does not support TLS")
}
