//! `deploylog healthcheck`: fails unless the service is ready. For the health check of a container.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::result::CommandError;

const TIMEOUT: Duration = Duration::from_secs(3);

/// `address` is the one that the service listens on.
pub async fn run(mut address: SocketAddr) -> Result<(), CommandError> {
    // A service that listens on all addresses also listens on loopback.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let problem = match timeout(TIMEOUT, first_line(address)).await {
        Ok(Ok(line)) => match line.strip_prefix("HTTP/1.1 ") {
            Some(status) if status.starts_with('2') => return Ok(()),
            status => format!("returns {}", status.unwrap_or("no HTTP response")),
        },
        Ok(Err(error)) => format!("does not respond: {error}"),
        Err(_) => format!("does not respond within {TIMEOUT:?}"),
    };
    Err(CommandError::failed(format!("http://{address}/readyz {problem}")))
}

/// The first line of the response.
async fn first_line(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    Ok(response.lines().next().unwrap_or_default().to_owned())
}
