//! A reverse proxy that adds a path prefix to a service.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

pub const PREFIX: &str = "/tools/deploylog";

/// Starts a proxy for the lifetime of the process. Paths without the prefix return 404.
pub fn start(service: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            // An error means that the client has gone.
            std::thread::spawn(move || forward(client?, service));
        }
    });
    address
}

/// Forwards one request per connection, because only the first request line is rewritten.
fn forward(mut client: TcpStream, service: SocketAddr) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let Some((method, target)) = first.split_once(&format!(" {PREFIX}/")) else {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let mut head = format!("{method} /{target}\r\nconnection: close\r\n");
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if !line.to_ascii_lowercase().starts_with("connection:") {
            head.extend([&line, "\r\n"]);
        }
    }
    let mut upstream = TcpStream::connect(service)?;
    upstream.write_all((head + "\r\n").as_bytes())?;
    std::io::copy(&mut upstream, &mut client).map(drop)
}
