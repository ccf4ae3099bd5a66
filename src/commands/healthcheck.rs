//! `deploylog healthcheck`: fails unless the service is ready. For the health check of a container.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::result::CommandError;
use crate::error::Cause;

const TIMEOUT: Duration = Duration::from_secs(3);

/// `listen` is the address that the service listens on.
pub async fn run(listen: SocketAddr) -> Result<(), CommandError> {
    let result = timeout(TIMEOUT, check(loopback_if_unspecified(listen))).await;
    result.map_err(CommandError::failed)?.map_err(CommandError::failed)
}

async fn check(address: SocketAddr) -> Result<(), Cause> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/readyz").header(header::HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let status = sender.send_request(request).await?.status();
    if status.is_success() { Ok(()) } else { Err(format!("http://{address}/readyz returns {status}").into()) }
}

/// A service that listens on all addresses is checked on loopback.
fn loopback_if_unspecified(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}
