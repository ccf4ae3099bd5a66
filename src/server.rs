//! Connections: how many, how long, and how they end.

mod stall;

use std::{sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{app::App, config::Limits};
use stall::NoStall;

/// Docker kills ten seconds after it asked.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// A header that is longer is answered 431.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Serves until `shutdown` resolves; then accepts no more and finishes what is in flight, within a deadline.
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, shutdown: impl Future) {
    let mut http = http1::Builder::new();
    // Half-closed: who has said all still wants the answer. The header's time-out is also that of an idle connection.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).half_close(true).max_buf_size(MAX_HEADER_BYTES);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = &mut shutdown => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let app = app.clone();
        let service = service_fn(move |request| app.clone().respond(request));
        let connection = http.serve_connection(TokioIo::new(NoStall::new(stream, limits.write)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(SHUTDOWN_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished within {} seconds", SHUTDOWN_GRACE.as_secs());
    }
}

/// Waits for a place, then for a connection. A failure to accept (out of file descriptors, say) is waited out.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // An answer is written at once, and waits for nothing.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::error!(%error, "a connection cannot be accepted");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
