//! One kept-alive HTTP/1.1 connection: a request is one write, and nothing is allocated while answers stay small.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};

use super::answer::{Answer, Failure, Head};

/// To connect, and again to have the whole answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// From here on the other side may have closed a connection that was not used.
const IDLE: Duration = Duration::from_secs(1);
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Opened again by itself when it was closed.
pub struct Connection {
    addresses: Arc<[SocketAddr]>,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    filled: usize,
    asked: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    /// Not yet open; the first address that answers is taken.
    #[must_use]
    pub fn new(addresses: Arc<[SocketAddr]>) -> Self {
        let buffer = vec![0; 8 << 10];
        Self { addresses, stream: None, buffer, filled: 0, asked: Instant::now(), alarm: Box::pin(sleep(DEADLINE)) }
    }

    /// Opens it.
    pub async fn open(&mut self) -> std::io::Result<()> {
        let stream = timeout(DEADLINE, TcpStream::connect(&*self.addresses)).await??;
        stream.set_nodelay(true)?;
        self.stream = Some(stream);
        Ok(())
    }

    /// Sends a request and reads its answer. After a failure the connection is closed.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, Failure> {
        let received = self.send_and_receive(request).await;
        if received.as_ref().map_or(true, |head| head.is_last) {
            self.stream = None;
        }
        let head = received?;
        Ok(Answer::new(head, &self.buffer[..head.whole()]))
    }

    async fn send_and_receive(&mut self, request: &[u8]) -> Result<Head, Failure> {
        let now = Instant::now();
        if now - self.asked > IDLE && self.was_closed() {
            self.stream = None;
        }
        if self.stream.is_none() {
            self.open().await.map_err(|_| Failure::Connect)?;
        }
        let Some(stream) = &mut self.stream else { return Err(Failure::Connect) };
        self.asked = now;
        self.filled = 0;
        stream.write_all(request).await.map_err(|_| Failure::Closed)?;
        let head = loop {
            self.read_more().await?;
            if let Some(head) = Head::parse(&self.buffer[..self.filled])? {
                break head;
            }
        };
        if head.whole() > MAX_ANSWER_BYTES || self.filled > head.whole() {
            return Err(Failure::Unreadable);
        }
        while self.filled < head.whole() {
            if self.buffer.len() < head.whole() {
                self.buffer.resize(head.whole(), 0);
            }
            self.read_more().await?;
        }
        if self.filled == head.whole() { Ok(head) } else { Err(Failure::Unreadable) }
    }

    /// Bytes that nobody asked for are as bad as an end.
    fn was_closed(&self) -> bool {
        let would_block = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        self.stream.as_ref().is_some_and(|stream| !stream.try_read(&mut [0]).is_err_and(would_block))
    }

    async fn read_more(&mut self) -> Result<(), Failure> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let Some(stream) = &mut self.stream else { return Err(Failure::Closed) };
        loop {
            tokio::select! {
                biased;
                read = stream.read(&mut self.buffer[self.filled..]) => {
                    match read {
                        Ok(0) | Err(_) => return Err(Failure::Closed),
                        Ok(count) => self.filled += count,
                    }
                    return Ok(());
                }
                // It is set anew only when it rings: setting it for every request would be felt.
                () = &mut self.alarm => {
                    let deadline = self.asked + DEADLINE;
                    if deadline <= Instant::now() {
                        return Err(Failure::TimedOut);
                    }
                    self.alarm.as_mut().reset(deadline);
                }
            }
        }
    }
}
