//! A proxy that shows a service below a path of its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// Below which path.
pub const PREFIX: &str = "/tools/deploylog";

/// Starts one that lasts as long as the process: what lies elsewhere is not found.
pub fn before(service: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            // A client that goes away is its own affair.
            std::thread::spawn(move || pass(client?, service));
        }
    });
    address
}

/// One request a connection, so that each has a first line to change.
fn pass(mut client: TcpStream, service: SocketAddr) -> std::io::Result<()> {
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
