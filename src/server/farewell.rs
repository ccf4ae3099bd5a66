//! How a connection ends: so that who is at its other end can read the last answer.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use crate::error::Error;

/// Who has nothing to say for so long has read its answer.
const SILENCE: Duration = Duration::from_secs(2);
/// Who goes on talking is listened to for so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read over at once.
const PART_BYTES: usize = 16 << 10;
/// So many are told at the same time that they have too many connections; others are just closed.
const MAX_REFUSALS: usize = 256;
const MIN_REFUSALS: usize = 16;

/// Reads over what still comes on a connection whose last answer is written: closed with something unread, the
/// connection would be reset, and the answer lost on its way.
pub async fn linger(stream: &mut (impl AsyncRead + Unpin)) {
    let read_over = async {
        let mut part = Vec::with_capacity(PART_BYTES);
        while let Ok(Ok(1..)) = timeout(SILENCE, stream.read_buf(&mut part)).await {
            part.clear();
        }
    };
    // Its end is that of the patience, too.
    let _ = timeout(PATIENCE, read_over).await;
}

/// Answers past hyper, for the last time.
pub async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), error: &Error) {
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

/// Beside so many connections there may be so many that are told that they are too many.
#[must_use]
pub fn refusals(connections: usize) -> usize {
    (connections / 4).clamp(MIN_REFUSALS, MAX_REFUSALS)
}

/// Tells those who have too many connections.
pub struct Refusals(Arc<Semaphore>);

impl Refusals {
    /// Nobody yet.
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(refusals(connections))))
    }

    /// Answers 429 and closes. Takes no place among the connections.
    pub fn refuse(&self, mut stream: TcpStream) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _place = place;
            // Some clients take an answer that comes before they have asked for nobody's.
            if timeout(SILENCE, stream.readable()).await.is_ok() {
                say(&mut stream, &Error::TooManyConnections).await;
            }
        });
    }
}
