//! Connections: how many, how long, and how they end.

mod addresses;
mod farewell;
mod stall;

use std::{net::IpAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use crate::{app::App, config::Limits, error::Error};
use addresses::{Addresses, Share};
use farewell::Refusals;
pub use farewell::refusals;
use stall::NoStall;

/// Docker kills ten seconds after it asked.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// A header of which so much was read without its end is answered 431.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Serves until `shutdown` resolves; then accepts no more and finishes what is in flight, within a deadline.
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, shutdown: impl Future + Send + 'static) {
    let mut http = http1::Builder::new();
    // Half-closed: who has said all still wants the answer. The header's time-out is also that of an idle connection.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).half_close(true).max_buf_size(MAX_HEADER_BYTES);
    let http = Arc::new(http);
    let (stop, _) = watch::channel(());
    let places = Arc::new(Semaphore::new(limits.connections));
    let addresses = Addresses::new(limits.connections_per_address);
    let refusals = Refusals::new(limits.connections);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = &mut shutdown => break,
        };
        let Some((stream, address, place)) = accepted else { continue };
        let Some(share) = addresses.share(address) else {
            tracing::debug!(%address, "as many connections as it may have");
            refusals.refuse(stream);
            continue;
        };
        let connection = Connection { stream: NoStall::new(stream, limits.write), _share: share, _place: place };
        tokio::spawn(connection.serve(http.clone(), app.clone(), stop.subscribe()));
    }
    drop(listener);
    let _ = stop.send(());
    if timeout(SHUTDOWN_GRACE, stop.closed()).await.is_err() {
        tracing::warn!("some requests were not finished within {} seconds", SHUTDOWN_GRACE.as_secs());
    }
}

/// Waits for a place, then for a connection. A failure to accept (out of file descriptors, say) is waited out.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // An answer is written at once, and waits for nothing.
            let _ = stream.set_nodelay(true);
            Some((stream, peer.ip(), place))
        }
        Err(error) => {
            tracing::error!(%error, "a connection cannot be accepted");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// A connection, and what it takes of the limits until it is closed.
struct Connection {
    stream: NoStall<TcpStream>,
    // In this order: who waits for the place finds the address' share free.
    _share: Share,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Answers what is asked until one side has enough, or `stop` changes and nothing is in flight.
    async fn serve(mut self, http: Arc<http1::Builder>, app: Arc<App>, mut stop: watch::Receiver<()>) {
        let service = service_fn(move |request| app.clone().respond(request));
        let ended = {
            let mut connection = pin!(http.serve_connection(TokioIo::new(&mut self.stream), service));
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                _ = stop.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        // What the other side still says holds up nobody's end.
        drop(stop);
        if let Err(error) = &ended {
            tracing::debug!(%error, "a connection broke off");
        }
        match ended {
            Err(error) if error.is_timeout() => {
                // hyper is silent then. To who has not begun to ask there is nothing to say.
                if self.stream.has_begun() {
                    farewell::say(&mut self.stream, &Error::RequestTimeout).await;
                }
            }
            Err(error) if !error.is_parse() => {}
            _ => farewell::linger(&mut self.stream).await,
        }
    }
}
