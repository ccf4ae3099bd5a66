//! `deploylog healthcheck`: fails unless the service is ready. For the health check of a container.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::result::CommandError;
use crate::error::Cause;

const TIMEOUT: Duration = Duration::from_secs(3);

/// `address` is the one that the service listens on.
pub async fn run(mut address: SocketAddr) -> Result<(), CommandError> {
    // A service that listens on all addresses also listens on loopback.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let result = timeout(TIMEOUT, check(address)).await;
    result.map_err(CommandError::failed)?.map_err(CommandError::failed)
}

async fn check(address: SocketAddr) -> Result<(), Cause> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    match response.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 ")) {
        Some(status) if status.starts_with('2') => Ok(()),
        status => Err(format!("http://{address}/readyz returns {}", status.unwrap_or("no HTTP response")).into()),
    }
}
