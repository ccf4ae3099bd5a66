//! Closes connections so that the client receives the last answer. If unread data is left when a socket closes, TCP
//! resets the connection, and the answer can be lost.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::error::Error;

/// A client that sends nothing for this long has read its answer.
const SILENCE: Duration = Duration::from_secs(2);
/// A client that keeps sending is cut off after this time.
const MAX_LINGER: Duration = Duration::from_secs(30);
const PART_BYTES: usize = 16 << 10;
const MIN_REFUSALS: usize = 16;
const MAX_REFUSALS: usize = 256;

/// Reads and drops what the client still sends after its last answer.
pub async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let drain = async {
        let mut part = Vec::with_capacity(PART_BYTES);
        while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut part)).await {
            part.clear();
        }
    };
    let _ = timeout(MAX_LINGER, drain).await;
}

/// Sends an error without hyper and closes the connection.
pub async fn close_with(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), error: &Error) {
    let (status, body) = (error.status(), error.problem());
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\
         date: {date}\r\n",
        body.len()
    );
    if let Some((name, value)) = error.header() {
        answer += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    answer += "\r\n";
    let answer = [answer.into_bytes(), body].concat();
    if stream.write_all(&answer).await.is_ok() && stream.shutdown().await.is_ok() {
        linger(stream).await;
    }
}

/// The number of connections over the limit that are refused with an answer at the same time.
pub fn max_refusals(connections: usize) -> usize {
    (connections / 4).clamp(MIN_REFUSALS, MAX_REFUSALS)
}

/// Closes a connection over the limit of an address, after the answer 429 if a permit is free.
pub fn refuse(mut stream: TcpStream, permits: &Arc<Semaphore>) {
    let Ok(permit) = permits.clone().try_acquire_owned() else { return };
    tokio::spawn(async move {
        let _permit = permit;
        // Some clients drop an answer that arrives before they sent a request.
        if timeout(SILENCE, stream.readable()).await.is_ok() {
            close_with(&mut stream, &Error::TooManyConnections).await;
        }
    });
}
