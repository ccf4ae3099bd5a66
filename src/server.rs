//! Accepts connections, limits them and closes them.

mod address_limit;
mod chunks;
mod framing;
mod lingering_close;
mod pace;
mod socket;
mod stream;

use std::{net::IpAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use crate::app::App;
use crate::budget::Budget;
use crate::config::Limits;
use crate::error::Error;
use address_limit::{AddressLimit, AddressPermit};
pub use lingering_close::max_refusals;
use socket::Socket;
use stream::ClientStream;

/// Docker kills a container 10 seconds after SIGTERM.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// A longer head is answered with 431.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// For all long heads, in MiB.
const HEAD_MEMORY: usize = 8;
/// Unsent bytes in the kernel, from which on a write waits. Otherwise the kernel would accept megabytes at once, then
/// nothing for minutes, and a slow client would look like one that takes nothing.
const MAX_UNSENT_BYTES: u32 = 16 << 10;

/// Serves until `shutdown` resolves. Then requests in flight can finish within a deadline.
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, shutdown: impl Future + Send + 'static) {
    let mut http = http1::Builder::new();
    // A client can half-close the connection after its request and still wants the answer. The timeout of the head also
    // limits idle connections.
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).half_close(true);
    // The size of the buffer alone does not limit a head that arrives in one read.
    http.max_buf_size(MAX_HEADER_BYTES).max_header_size(MAX_HEADER_BYTES);
    let http = Arc::new(http);
    let (stop, _) = watch::channel(());
    let permits = Arc::new(Semaphore::new(limits.connections));
    let address_limit = AddressLimit::new(limits.connections_per_address);
    let refusals = Arc::new(Semaphore::new(max_refusals(limits.connections)));
    let heads = Budget::new(HEAD_MEMORY);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            _ = &mut shutdown => break,
        };
        let Some((stream, address, permit)) = accepted else { continue };
        let Some(address_permit) = address_limit.try_acquire(address) else {
            tracing::debug!(%address, "too many connections from this address");
            lingering_close::refuse(stream, &refusals);
            continue;
        };
        let socket = Socket::new(stream);
        let stream = ClientStream::new(socket.clone(), &heads, limits.write);
        let connection = Connection { stream, socket, _address_permit: address_permit, _permit: permit };
        tokio::spawn(connection.serve(http.clone(), app.clone(), stop.subscribe()));
    }
    drop(listener);
    let _ = stop.send(());
    if timeout(SHUTDOWN_GRACE, stop.closed()).await.is_err() {
        tracing::warn!("some requests did not finish within {} seconds", SHUTDOWN_GRACE.as_secs());
    }
}

/// Waits for a permit, then for a connection. A failure, for example without free file descriptors, is logged, and
/// the caller tries again.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Nagle's algorithm would delay answers.
            let _ = stream.set_nodelay(true);
            #[cfg(target_os = "linux")]
            let _ = SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
            Some((stream, peer.ip(), permit))
        }
        Err(error) => {
            tracing::error!(%error, "cannot accept a connection");
            sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

struct Connection {
    stream: ClientStream<Socket>,
    socket: Socket,
    // Fields are dropped in this order: when a waiting connection gets the permit, the address' permit is free.
    _address_permit: AddressPermit,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Answers requests until either side closes, or until `stop` changes and no request is in flight.
    async fn serve(mut self, http: Arc<http1::Builder>, app: Arc<App>, mut stop: watch::Receiver<()>) {
        let (exchange, socket) = (self.stream.framing.exchange.clone(), self.socket.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let has_long_head = exchange.announce(request.body());
            // Boxed, because hyper reserves the space of the future while a connection is idle.
            Box::pin(app.clone().respond(request, has_long_head, socket.clone().client_left()))
        });
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
        self.stream.framing.end();
        // A client that keeps sending must not delay the shutdown.
        drop(stop);
        if let Err(error) = &ended {
            tracing::debug!(%error, "connection failed");
        }
        match ended {
            // hyper closes without an answer. A client without a request expects none.
            Err(error) if error.is_timeout() && self.stream.has_request => {
                lingering_close::close_with(&mut self.stream, &Error::RequestTimeout).await;
            }
            Err(_) if self.stream.lacks_memory => {
                lingering_close::close_with(&mut self.stream, &Error::TooManyHeads).await;
            }
            Err(error) if !error.is_parse() => {}
            _ => lingering_close::linger(&mut self.stream).await,
        }
    }
}
