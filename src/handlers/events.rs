//! `GET /api/events`: what happens, as server-sent events.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, stream};
use hyper::{
    HeaderMap,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        broadcast::{Receiver, error::RecvError},
    },
    time::{Instant, timeout_at},
};

use super::records;
use crate::{
    domain::event::Batch,
    domain::event::Position,
    domain::filter::Filter,
    error::{Cause, Error},
    reply::{self, Reply},
    request::{Query, preferred},
    store::Store,
};

/// After so long without an event the reader is told that all is well, and how far it is.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a reader may come back, in milliseconds: not all at once.
const RETRY: std::ops::Range<u64> = 1_000..5_000;

/// Who may read at the same time.
pub struct Readers {
    most: usize,
    places: Arc<Semaphore>,
}

impl Readers {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, places: Arc::new(Semaphore::new(most)) }
    }

    /// How many there are at this moment.
    #[must_use]
    pub fn count(&self) -> usize {
        self.most - self.places.available_permits()
    }
}

/// Answers what happens from now on, or behind `Last-Event-ID`, to records that the filter lets pass.
pub async fn listen(
    store: &Store,
    readers: &Readers,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Reply, Error> {
    let mut query = Query::parse(query);
    let filter = records::filter(&mut query);
    query.finish()?;
    if preferred(headers, &["text/event-stream"]).is_none() {
        return Err(Error::NotAcceptable("text/event-stream".to_owned()));
    }
    let place = readers.places.clone().try_acquire_owned().map_err(|_| Error::TooManySubscribers)?;
    let hearing = store.events.listen().await?;
    let jitter = RandomState::new().hash_one(()) % (RETRY.end - RETRY.start);
    let mut greeting = format!("retry: {}\n", RETRY.start + jitter);
    let position = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(Position::parse)) {
        None => hearing.told,
        Some(Some(position)) if store.events.is_retained(position).await? => position,
        // What lies between is not known: the reader begins anew.
        Some(_) => {
            greeting += "event: reset\ndata: {}\n";
            hearing.told
        }
    };
    greeting += &format!("id: {position}\n\n");
    let is_behind = position < hearing.told;
    let reader = Reader {
        store: store.clone(),
        filter,
        position,
        batches: (!is_behind).then_some(hearing.batches),
        greeting: Some(greeting.into()),
        silent_until: Instant::now() + HEARTBEAT,
        _place: place,
    };
    let mut reply = reply::streamed("text/event-stream", reader.into_stream());
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Else nginx keeps events until it has a page of them.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(reply)
}

/// One who reads, and how far it is.
struct Reader {
    store: Store,
    filter: Filter,
    position: Position,
    /// What comes; nothing while it is still behind what has been told.
    batches: Option<Receiver<Arc<Batch>>>,
    greeting: Option<Bytes>,
    silent_until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Cause>> + Send {
        stream::unfold(self, |mut reader| async move {
            let text = reader.next().await?;
            reader.silent_until = Instant::now() + HEARTBEAT;
            Some((Ok(text), reader))
        })
    }

    /// What is to be written next. Nothing where this comes to an end: the reader may come back with its position.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            let text = match &mut self.batches {
                Some(batches) => match timeout_at(self.silent_until, batches.recv()).await {
                    Ok(Ok(batch)) => self.hear(&batch),
                    Ok(Err(RecvError::Closed)) => return None,
                    Ok(Err(RecvError::Lagged(_))) => {
                        tracing::debug!("a reader of events is too slow");
                        return None;
                    }
                    Err(_) => self.heartbeat(),
                },
                // Boxed: few who read for hours are ever behind.
                None => match Box::pin(self.catch_up()).await {
                    Ok(Some(text)) => text,
                    Ok(None) => {
                        tracing::debug!("a reader of events is further behind than they are kept");
                        return None;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a reader of events cannot go on");
                        return None;
                    }
                },
            };
            if !text.is_empty() {
                return Some(text);
            }
            // Also who catches up with what its filter does not let pass.
            if Instant::now() >= self.silent_until {
                return Some(self.heartbeat());
            }
        }
    }

    fn heartbeat(&self) -> Bytes {
        format!(":\nid: {}\n\n", self.position).into()
    }

    fn hear(&mut self, batch: &Batch) -> Bytes {
        let text = batch.text(&self.filter, self.position);
        self.position = batch.last().map_or(self.position, |last| last.max(self.position));
        text
    }

    /// Reads a page of what others have been told, or listens with them from then on. Nothing where some of it is
    /// forgotten by now: the reader is told so when it comes back.
    async fn catch_up(&mut self) -> Result<Option<Bytes>, Error> {
        let hearing = self.store.events.listen().await?;
        if hearing.told <= self.position {
            self.batches = Some(hearing.batches);
            return Ok(Some(Bytes::new()));
        }
        drop(hearing.batches);
        let Some((batches, reached)) = self.store.events.happened(self.position, hearing.told).await? else {
            return Ok(None);
        };
        let text = batches.iter().flat_map(|batch| batch.text(&self.filter, self.position)).collect();
        self.position = reached;
        Ok(Some(text))
    }
}
