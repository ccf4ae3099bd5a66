//! Follows the requests on a connection before hyper reads them: where a head ends, and whether the chunks of a body are
//! valid. hyper alone decides what a body is; this module only stops bytes that hyper would tolerate.

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::body::{Body as _, Incoming};

use super::chunks::Chunks;

/// The body that follows the head which hyper has just read.
#[derive(Clone, Default)]
pub struct NextBody(Arc<Mutex<Option<Length>>>);

enum Length {
    Known(u64),
    Chunked,
}

impl NextBody {
    pub fn announce(&self, body: &Incoming) {
        let length = body.size_hint().exact().map_or(Length::Chunked, Length::Known);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(length);
    }

    fn take(&self) -> Option<Length> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[derive(Default)]
pub struct Framing {
    place: Place,
    pub next_body: NextBody,
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
            self.place = match self.next_body.take() {
                Some(Length::Known(length)) => Place::Data(length),
                Some(Length::Chunked) => Place::Chunks(Chunks::default()),
                None => Place::default(),
            };
        }
        while let rest @ [_, ..] = &bytes[accepted..] {
            match &mut self.place {
                Place::Head(head) => match head.end(rest) {
                    Some(end) => {
                        self.place = Place::AfterHead;
                        return accepted + end;
                    }
                    None => return bytes.len(),
                },
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
        position.map(|last| last + 1)
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
                *framing.next_body.0.lock().unwrap() = Some(body);
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
    fn the_bytes_before_an_invalid_chunk_are_accepted() {
        let requests = b"POST / HTTP/1.1\r\n\r\n1\r\nx\r\n2 \r\nyz\r\n0\r\n\r\n";
        assert_eq!(accepted(requests, &[None]), ["POST / HTTP/1.1\r\n\r\n", "1\r\nx\r\n2 ", ""]);
    }
}
