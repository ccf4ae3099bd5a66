//! PostgreSQL's messages, as they pass by.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{Mutex, PoisonError},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Service,
    PostgreSql,
}

/// Messages of one side, whole.
pub struct Messages<R> {
    reader: BufReader<R>,
    /// The first of the service's has no type.
    is_typed: bool,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub fn new(reader: R, side: Side) -> Self {
        Self { reader: BufReader::new(reader), is_typed: side == Side::PostgreSql }
    }

    /// Whether the next one has arrived together with the last.
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// The next one; fails where the side has ended.
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

/// What the service asks by itself, whoever calls.
#[derive(Default)]
pub struct OwnQuestions(Mutex<Own>);

#[derive(Default)]
struct Own {
    texts: HashSet<Vec<u8>>,
    is_known: bool,
}

impl OwnQuestions {
    /// From now on what is asked and was not asked before is asked for a call.
    pub fn are_known(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_known = true;
    }

    fn has(&self, text: &[u8]) -> bool {
        let mut own = self.0.lock().unwrap();
        if !own.is_known {
            own.texts.insert(text.to_owned());
        }
        own.texts.contains(text)
    }
}

/// Which statement a connection is at.
#[derive(Default)]
pub struct Conversation {
    statements: HashMap<Vec<u8>, bool>,
    pub is_own: bool,
}

impl Conversation {
    /// Follows what the service sends.
    pub fn hear(&mut self, message: &[u8], own: &OwnQuestions) {
        let mut texts = message.get(5..).unwrap_or_default().split(|byte| *byte == 0);
        match message[0] {
            b'P' => {
                let (name, sql) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
                self.is_own = own.has(sql);
                self.statements.insert(name.to_owned(), self.is_own);
            }
            b'B' => {
                let name = texts.nth(1).unwrap_or_default();
                self.is_own = self.statements.get(name).copied().unwrap_or_default();
            }
            b'Q' => self.is_own = false,
            _ => {}
        }
    }
}
