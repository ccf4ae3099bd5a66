//! The lines of a backup as they are read.

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::{BackupError, hexadecimal};

const BUFFER_BYTES: usize = 256 << 10;
/// No row is longer: a file of another kind, whose lines may never end, is not read into memory.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// The lines, and the digest of those that were read.
pub struct Lines<R> {
    reader: BufReader<R>,
    sum: Sha256,
    /// Without the last line.
    sum_before: Sha256,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reader: R) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        Self { reader, sum: Sha256::new(), sum_before: Sha256::new() }
    }

    /// The next line, without its end; nothing where none follows.
    pub async fn next(&mut self) -> Result<Option<String>, BackupError> {
        self.sum_before.clone_from(&self.sum);
        let mut line = Vec::new();
        if self.append(&mut line).await? == 0 {
            return Ok(None);
        }
        line.pop();
        String::from_utf8(line).map(Some).map_err(|_| damaged("a line is not UTF-8"))
    }

    /// Appends the next line with its end, where one follows. Answers its length.
    pub async fn append(&mut self, to: &mut Vec<u8>) -> Result<usize, BackupError> {
        let length = (&mut self.reader).take(MAX_LINE_BYTES).read_until(b'\n', to).await?;
        let line = &to[to.len() - length..];
        if length > 0 && !line.ends_with(b"\n") {
            return Err(damaged("it ends, or goes on for ever, within a line"));
        }
        self.sum.update(line);
        Ok(length)
    }

    /// The digest of all lines before the last one that [`Self::next`] gave.
    pub fn sum_before(&self) -> String {
        hexadecimal(&self.sum_before.clone().finalize())
    }
}

/// The file is not as it was written.
pub fn damaged(why: impl std::fmt::Display) -> BackupError {
    BackupError::Refused(format!("the backup is damaged ({why})"))
}
