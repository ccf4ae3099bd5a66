//! Reads the messages of the PostgreSQL protocol.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Service,
    PostgreSql,
}

/// Splits the byte stream of one side into messages.
pub struct Messages<R> {
    reader: BufReader<R>,
    /// The first message of the service has no type byte.
    is_typed: bool,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub fn new(reader: R, side: Side) -> Self {
        Self { reader: BufReader::new(reader), is_typed: side == Side::PostgreSql }
    }

    /// Whether the next message arrived together with the previous one.
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// Reads the next message; fails at the end of the stream.
    pub async fn next(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; if self.is_typed { 5 } else { 4 }];
        self.reader.read_exact(&mut message).await?;
        let length: [u8; 4] = message[message.len() - 4..].try_into().unwrap();
        let rest = u32::from_be_bytes(length) as usize - 4;
        let head = message.len();
        message.resize(head + rest, 0);
        self.reader.read_exact(&mut message[head..]).await?;
        self.is_typed = true;
        Ok(message)
    }
}

/// The texts of the queries that the service sends without a request.
#[derive(Default)]
pub struct BackgroundQueries(Mutex<Known>);

#[derive(Default)]
struct Known {
    texts: HashSet<Vec<u8>>,
    is_complete: bool,
}

impl BackgroundQueries {
    /// From now on a new query text belongs to a request.
    pub fn mark_complete(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_complete = true;
    }

    fn contains(&self, text: &[u8]) -> bool {
        let mut known = self.0.lock().unwrap();
        if !known.is_complete {
            known.texts.insert(text.to_owned());
        }
        known.texts.contains(text)
    }
}

/// Follows which statement a connection executes.
#[derive(Default)]
pub struct StatementTracker {
    statements: HashMap<Vec<u8>, bool>,
    pub is_background: bool,
}

impl StatementTracker {
    /// Processes a message of the service.
    pub fn observe(&mut self, message: &[u8], background: &BackgroundQueries) {
        let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        match message[0] {
            b'P' => {
                let (name, sql) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
                self.is_background = background.contains(sql);
                self.statements.insert(name.to_owned(), self.is_background);
            }
            b'B' => {
                let name = texts.nth(1).unwrap_or_default();
                self.is_background = self.statements.get(name).copied().unwrap_or_default();
            }
            b'Q' => self.is_background = false,
            _ => {}
        }
    }
}
