//! `GET /api/events`: events as they are published, as server-sent events.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, stream};
use hyper::{
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

use crate::domain::event::{Batch, Position};
use crate::domain::filter::Filter;
use crate::error::{Cause, Error};
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::store::Store;

/// Without an event for this long, the subscriber gets a comment and its position.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a subscriber reconnects. The spread keeps all of them from reconnecting at once.
const RETRY_MILLIS: std::ops::Range<u64> = 1_000..5_000;

/// Limits the number of subscribers.
pub struct Subscribers {
    max: usize,
    permits: Arc<Semaphore>,
}

impl Subscribers {
    pub fn new(max: usize) -> Self {
        Self { max, permits: Arc::new(Semaphore::new(max)) }
    }

    pub fn count(&self) -> usize {
        self.max - self.permits.available_permits()
    }
}

/// Streams events of records that match the filter, from now on or after `Last-Event-ID`.
pub async fn subscribe(store: &Store, subscribers: &Subscribers, request: &mut Request<'_>) -> Result<Reply, Error> {
    let filter = request.query.filter();
    request.query.finish()?;
    request.negotiate(&["text/event-stream"])?;
    let permit = subscribers.permits.clone().try_acquire_owned().map_err(|_| Error::TooManySubscribers)?;
    let subscription = store.events.subscribe().await?;
    let jitter = RandomState::new().hash_one(()) % (RETRY_MILLIS.end - RETRY_MILLIS.start);
    let mut greeting = format!("retry: {}\n", RETRY_MILLIS.start + jitter);
    let position = match request.headers().get("last-event-id").map(|id| id.to_str().ok().and_then(Position::parse)) {
        None => subscription.published,
        Some(Some(position)) if store.events.is_retained(position).await? => position,
        // Events after that position may be deleted: the subscriber must read the lists again.
        Some(_) => {
            greeting += "event: reset\ndata: {}\n";
            subscription.published
        }
    };
    greeting += &format!("id: {position}\n\n");
    let is_behind = position < subscription.published;
    let subscriber = Subscriber {
        store: store.clone(),
        filter,
        position,
        batches: (!is_behind).then_some(subscription.batches),
        greeting: Some(greeting.into()),
        heartbeat_at: Instant::now() + HEARTBEAT,
        _permit: permit,
    };
    let mut reply = reply::streamed("text/event-stream", subscriber.into_stream());
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx buffers responses by default.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(reply)
}

/// A client that receives events.
struct Subscriber {
    store: Store,
    filter: Filter,
    position: Position,
    /// New events; `None` while the subscriber catches up with published ones.
    batches: Option<Receiver<Arc<Batch>>>,
    greeting: Option<Bytes>,
    heartbeat_at: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Subscriber {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Cause>> + Send {
        stream::unfold(self, |mut subscriber| async move {
            let text = subscriber.next().await?;
            subscriber.heartbeat_at = Instant::now() + HEARTBEAT;
            Some((Ok(text), subscriber))
        })
    }

    /// The next text to send. `None` ends the stream; the client can reconnect with its position.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            let text = match &mut self.batches {
                Some(batches) => match timeout_at(self.heartbeat_at, batches.recv()).await {
                    Ok(Ok(batch)) => self.receive(&batch),
                    Ok(Err(RecvError::Closed)) => return None,
                    // Its queue was full. It reads the log at its own pace until it has caught up.
                    Ok(Err(RecvError::Lagged(_))) => {
                        self.batches = None;
                        continue;
                    }
                    Err(_) => self.heartbeat(),
                },
                // Boxed, because it is large and most subscribers never need it.
                None => match Box::pin(self.catch_up()).await {
                    Ok(Some(text)) => text,
                    Ok(None) => {
                        tracing::debug!("an event subscriber missed events that are deleted");
                        return None;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an event subscriber cannot continue");
                        return None;
                    }
                },
            };
            if !text.is_empty() {
                return Some(text);
            }
            // The filter can exclude all events for a long time.
            if Instant::now() >= self.heartbeat_at {
                return Some(self.heartbeat());
            }
        }
    }

    fn heartbeat(&self) -> Bytes {
        format!(":\nid: {}\n\n", self.position).into()
    }

    fn receive(&mut self, batch: &Batch) -> Bytes {
        let text = batch.text(&self.filter, self.position);
        self.position = batch.last().map_or(self.position, |last| last.max(self.position));
        text
    }

    /// Reads a batch of published events, or subscribes to new ones after the last. `None` if some are deleted: the client
    /// gets a `reset` when it reconnects.
    async fn catch_up(&mut self) -> Result<Option<Bytes>, Error> {
        let subscription = self.store.events.subscribe().await?;
        if subscription.published <= self.position {
            self.batches = Some(subscription.batches);
            return Ok(Some(Bytes::new()));
        }
        drop(subscription.batches);
        let Some((batches, reached)) = self.store.events.since(self.position, subscription.published).await? else {
            return Ok(None);
        };
        // Later batches are read again, so that a slow client holds one batch in memory, not a page.
        for batch in &batches {
            let text = self.receive(batch);
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        self.position = reached;
        Ok(Some(Bytes::new()))
    }
}
