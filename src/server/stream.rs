//! The stream of a connection, between its socket and hyper: checks what the client sends, and fails if the client takes
//! its answer too slowly.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::framing::Framing;
use super::pace::Pace;
use crate::budget::{Budget, Share};

/// hyper doubles its buffer of 8 KiB after a read that fills it, and does not shrink an unused buffer.
const READ_BYTES: usize = (8 << 10) - 1;

/// A TCP stream never waits to flush or to shut down.
pub struct ClientStream<S> {
    stream: S,
    pub framing: Framing,
    /// Bytes that hyper cannot have yet.
    held: Bytes,
    /// For a long head. hyper's buffer does not shrink while the connection is open.
    share: Share,
    /// Whether the budget of heads is used up.
    pub lacks_memory: bool,
    pace: Pace,
    expiry: Option<Pin<Box<Sleep>>>,
    /// Whether something was read since the last write: a request has begun.
    pub has_request: bool,
}

impl<S> ClientStream<S> {
    pub fn new(stream: S, heads: &Budget, timeout: Duration) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            held: Bytes::new(),
            share: heads.share(),
            lacks_memory: false,
            pace: Pace::new(timeout),
            expiry: None,
            has_request: false,
        }
    }

    fn accept(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let accepted = self.framing.accept(bytes);
        if accepted == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let longest = self.framing.longest_head;
        if longest > 0 && !self.share.grow(longest) {
            self.lacks_memory = true;
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.has_request |= accepted > 0;
        Ok(accepted)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held.is_empty() {
            let mut part = [0; READ_BYTES];
            let mut part = ReadBuf::new(&mut part[..READ_BYTES.min(buffer.remaining())]);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut part))?;
            let (accepted, held) = part.filled().split_at(this.accept(part.filled())?);
            buffer.put_slice(accepted);
            this.held = Bytes::copy_from_slice(held);
        } else {
            let length = this.held.len().min(buffer.remaining());
            let accepted = this.accept(&this.held.slice(..length))?;
            buffer.put_slice(&this.held.split_to(accepted));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context,
        data: &[io::IoSlice],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write_vectored(context, data) {
            Poll::Ready(result) => {
                this.expiry = None;
                this.has_request = false;
                let length = result?;
                this.pace.took(Instant::now, length);
                Poll::Ready(Ok(length))
            }
            Poll::Pending => {
                let deadline = this.pace.deadline(Instant::now);
                let expiry = this.expiry.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                expiry.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
