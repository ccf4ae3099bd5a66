//! Follows the requests on a connection before hyper reads them: where a head ends, and whether the chunks of a body are
//! valid. hyper alone decides what a body is; this module only stops bytes that hyper would tolerate.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::body::{Body as _, Incoming};

use super::chunks::Chunks;

/// A longer head counts towards the budget of heads. hyper's buffer has this size from the beginning.
pub const FREE_HEAD_BYTES: usize = 8 << 10;

/// The head that hyper has just read, and the body that follows it.
#[derive(Clone, Default)]
pub struct Exchange(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    body: Option<Length>,
    has_long_head: bool,
}

enum Length {
    Known(u64),
    Chunked,
}

impl Exchange {
    /// Whether the head was long: hyper's buffer then stays as large while the connection is open.
    pub fn announce(&self, body: &Incoming) -> bool {
        let mut known = self.known();
        known.body = Some(body.size_hint().exact().map_or(Length::Chunked, Length::Known));
        known.has_long_head
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub struct Framing {
    place: Place,
    pub exchange: Exchange,
    /// In bytes; 0 if all are short.
    pub longest_head: usize,
}

enum Place {
    Head(Head),
    /// hyper has all bytes of the head and announces the body before it reads on.
    AfterHead,
    Data(u64),
    Chunks(Chunks),
    /// hyper reads no more requests.
    Ended,
}

impl Default for Place {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Framing {
    /// How many of these bytes hyper can have now: up to the end of a head, or to the first invalid byte. 0 if the first
    /// byte is invalid.
    pub fn accept(&mut self, bytes: &[u8]) -> usize {
        let mut accepted = 0;
        if matches!(self.place, Place::AfterHead) {
            self.place = match self.exchange.known().body.take() {
                Some(Length::Known(length)) => Place::Data(length),
                Some(Length::Chunked) => Place::Chunks(Chunks::default()),
                None => Place::default(),
            };
        }
        while let rest @ [_, ..] = &bytes[accepted..] {
            match &mut self.place {
                Place::Head(head) => {
                    let end = head.end(rest);
                    if head.bytes > FREE_HEAD_BYTES {
                        self.longest_head = self.longest_head.max(head.bytes);
                        self.exchange.known().has_long_head = true;
                    }
                    let Some(end) = end else { return bytes.len() };
                    self.place = Place::AfterHead;
                    return accepted + end;
                }
                Place::Data(0) => self.place = Place::default(),
                Place::Data(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= length as u64;
                    accepted += length;
                }
                Place::Chunks(chunks) if chunks.has_ended() => self.place = Place::default(),
                Place::Chunks(chunks) => match chunks.accept(rest) {
                    0 => return accepted,
                    length => accepted += length,
                },
                Place::AfterHead => return accepted,
                Place::Ended => return bytes.len(),
            }
        }
        accepted
    }

    /// Accepts everything from now on.
    pub fn end(&mut self) {
        self.place = Place::Ended;
    }
}

#[derive(Default)]
struct Head {
    has_begun: bool,
    is_in_line: bool,
    bytes: usize,
}

impl Head {
    /// The number of bytes to the end of the empty line that ends the head. Empty lines before a head are ignored, and a
    /// line can end without a carriage return, as in hyper.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let position = bytes.iter().position(|byte| match byte {
            b'\r' => false,
            b'\n' => !mem::take(&mut self.is_in_line) && self.has_begun,
            _ => {
                self.has_begun = true;
                self.is_in_line = true;
                false
            }
        });
        let end = position.map(|last| last + 1);
        self.bytes += end.unwrap_or(bytes.len());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each call accepts if the bodies have these lengths; `None` is chunked.
    fn accepted(bytes: &[u8], bodies: &[Option<u64>]) -> Vec<String> {
        let (mut framing, mut bodies, mut parts, mut at) = (Framing::default(), bodies.iter(), Vec::new(), 0);
        while at < bytes.len() {
            let length = framing.accept(&bytes[at..]);
            parts.push(String::from_utf8_lossy(&bytes[at..at + length]).into_owned());
            if length == 0 {
                break;
            }
            at += length;
            if matches!(framing.place, Place::AfterHead) {
                let body = bodies.next().copied().flatten().map_or(Length::Chunked, Length::Known);
                framing.exchange.known().body = Some(body);
            }
        }
        parts
    }

    #[test]
    fn a_head_ends_at_its_empty_line_and_the_next_begins_after_the_body() {
        let requests = b"\r\nPOST / HTTP/1.1\r\nA: b\r\n\r\n12345GET / HTTP/1.1\nA: b\n\nGET";
        let parts = ["\r\nPOST / HTTP/1.1\r\nA: b\r\n\r\n", "12345GET / HTTP/1.1\nA: b\n\n", "GET"];
        assert_eq!(accepted(requests, &[Some(5), Some(0)]), parts);
    }

    #[test]
    fn only_a_long_head_counts() {
        let (short, long) = (vec![b'x'; FREE_HEAD_BYTES], vec![b'x'; FREE_HEAD_BYTES + 1]);
        let mut framing = Framing::default();
        framing.accept(&short);
        assert!(framing.longest_head == 0 && !framing.exchange.known().has_long_head);
        framing.accept(b"y\n\n");
        assert!(framing.longest_head == FREE_HEAD_BYTES + 3 && framing.exchange.known().has_long_head);
        let mut framing = Framing { place: Place::Data(u64::MAX), ..Framing::default() };
        framing.accept(&long);
        assert_eq!(framing.longest_head, 0, "a body is no head");
    }

    #[test]
    fn the_bytes_before_an_invalid_chunk_are_accepted() {
        let requests = b"POST / HTTP/1.1\r\n\r\n1\r\nx\r\n2 \r\nyz\r\n0\r\n\r\n";
        assert_eq!(accepted(requests, &[None]), ["POST / HTTP/1.1\r\n\r\n", "1\r\nx\r\n2 ", ""]);
    }
}
