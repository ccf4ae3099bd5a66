//! Lists in JSON. Elements are read in chunks of limited size: the first one before the answer begins, so that a database
//! that does not answer is a 503, and the others while the client receives the answer.

use futures_util::{StreamExt as _, stream};
use hyper::{StatusCode, body::Bytes};
use serde::Serialize;

use super::{Reply, streamed, whole};
use crate::domain::key::Key;
use crate::error::{Cause, Error};

/// The approximate size of the elements of a chunk. It takes about four times as much memory: as rows, as values and as
/// JSON.
const CHUNK_BYTES: usize = 256 << 10;
/// What JSON adds to the texts of an element.
const JSON_BYTES: usize = 500;

/// A list of the elements with these keys, between `open` and `close`. An element that was deleted in the meantime is
/// left out.
pub async fn list<K, T, R>(
    open: Vec<u8>,
    keys: Vec<Key<K>>,
    close: &'static [u8],
    read: impl Fn(Vec<K>) -> R + Send + 'static,
) -> Result<Reply, Error>
where
    K: Send + 'static,
    T: Serialize,
    R: Future<Output = Result<Vec<T>, Error>> + Send,
{
    let mut open = Some(open);
    chunked(chunks(keys), read, move |elements, is_last, out| {
        for element in elements {
            out.append(&mut open.take().unwrap_or_else(|| b",".to_vec()));
            serde_json::to_writer(&mut *out, &element)?;
        }
        if is_last {
            out.append(&mut open.take().unwrap_or_default());
            out.extend_from_slice(close);
        }
        Ok(())
    })
    .await
}

/// A JSON answer that is read and written in chunks. `write` is told which chunk is the last.
pub async fn chunked<C, T, R>(
    chunks: Vec<C>,
    read: impl Fn(C) -> R + Send + 'static,
    mut write: impl FnMut(Vec<T>, bool, &mut Vec<u8>) -> Result<(), Cause> + Send + 'static,
) -> Result<Reply, Error>
where
    C: Send + 'static,
    R: Future<Output = Result<Vec<T>, Error>> + Send,
{
    let mut chunks = chunks.into_iter();
    let elements = match chunks.next() {
        Some(chunk) => read(chunk).await?,
        None => Vec::new(),
    };
    let mut first = Vec::new();
    write(elements, chunks.len() == 0, &mut first).map_err(Error::Internal)?;
    if chunks.len() == 0 {
        return Ok(whole(StatusCode::OK, "application/json", first));
    }
    let rest = stream::try_unfold((chunks, read, write), |(mut chunks, read, mut write)| async move {
        let Some(chunk) = chunks.next() else { return Ok(None) };
        let mut out = Vec::new();
        let elements = read(chunk).await.inspect_err(|error| tracing::warn!(%error, "an answer was cut off"))?;
        write(elements, chunks.len() == 0, &mut out)?;
        Ok::<_, Cause>(Some((Bytes::from(out), (chunks, read, write))))
    });
    Ok(streamed("application/json", stream::iter([Ok(Bytes::from(first))]).chain(rest)))
}

/// Splits keys into chunks of at least one key.
pub fn chunks<K>(keys: Vec<Key<K>>) -> Vec<Vec<K>> {
    let mut chunks: Vec<Vec<K>> = Vec::new();
    let mut left = 0;
    for Key { of, bytes } in keys {
        let bytes = bytes + JSON_BYTES;
        match chunks.last_mut() {
            Some(chunk) if bytes <= left => chunk.push(of),
            _ => {
                left = CHUNK_BYTES;
                chunks.push(vec![of]);
            }
        }
        left = left.saturating_sub(bytes);
    }
    chunks
}
