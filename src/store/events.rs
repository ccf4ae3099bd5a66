//! Publishes events to all subscribers. One task reads the log for all of them, and only while there are any.

mod log;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{
        Notify, Semaphore,
        broadcast::{self, Receiver, Sender},
        watch,
    },
    time::{sleep, timeout},
};

use crate::database::Pool;
use crate::domain::event::{Batch, Position};
use crate::error::Error;
use log::EventLog;

/// The pause between two reads of the log.
const TICK: Duration = Duration::from_millis(100);
/// The unread batches in the queue of a subscriber. The queues share the batches, so all of them together hold no more.
const QUEUE: usize = 64;
/// Subscribers that read earlier events at the same time. Others wait, which leaves connections to other requests.
const MAX_CATCHING_UP: usize = 2;

/// A subscriber's end of the feed.
pub struct Subscription {
    /// The queue of new events, which loses the oldest batches when it is full. The first batch can begin with events that
    /// are already published.
    pub batches: Receiver<Arc<Batch>>,
    /// Events up to here were published before.
    pub published: Position,
}

/// The feed of events.
pub struct Events {
    log: EventLog,
    /// `None` once the feed has ended.
    sender: Mutex<Option<Sender<Arc<Batch>>>>,
    /// `None` while there are no subscribers.
    published: watch::Sender<Option<Position>>,
    subscribed: Notify,
    catching_up: Semaphore,
    /// How long a new subscriber waits for `published`.
    wait: Duration,
}

impl Events {
    /// Starts the feed, which reads nothing until the first subscription. A new subscriber waits at most `wait` for the
    /// database.
    pub fn start(keys: &Arc<Pool>, wait: Duration) -> Arc<Self> {
        let events = Arc::new(Self {
            log: EventLog(keys.clone()),
            sender: Mutex::new(Some(broadcast::channel(QUEUE).0)),
            published: watch::channel(None).0,
            subscribed: Notify::new(),
            catching_up: Semaphore::new(MAX_CATCHING_UP),
            wait,
        });
        tokio::spawn(events.clone().run());
        events
    }

    /// Subscribes to new events. Earlier events are committed and visible in the log.
    pub async fn subscribe(&self) -> Result<Subscription, Error> {
        let batches = self.sender().as_ref().map(Sender::subscribe);
        let batches = batches.ok_or_else(|| Error::Unavailable("the service is shutting down".into()))?;
        let mut published = self.published.subscribe();
        self.subscribed.notify_one();
        match timeout(self.wait, published.wait_for(Option::is_some)).await {
            Ok(Ok(published)) if let Some(published) = *published => Ok(Subscription { batches, published }),
            _ => Err(Error::Unavailable("the database did not return the last event in time".into())),
        }
    }

    /// A page of events after one position up to a published one, and the position reached. `None` if some of these
    /// events are already deleted.
    pub async fn since(&self, after: Position, published: Position) -> Result<Option<(Vec<Batch>, Position)>, Error> {
        let _permit = self.catching_up.acquire().await.map_err(|closed| Error::Unavailable(closed.into()))?;
        let (events, reached) = self.log.events(after, published).await?;
        if !self.is_retained(after).await? {
            return Ok(None);
        }
        Ok(Some((Batch::split(events).map_err(|error| Error::Internal(error.into()))?, reached)))
    }

    /// Whether a subscriber can continue from a position.
    pub async fn is_retained(&self, position: Position) -> Result<bool, Error> {
        Ok(self.log.is_retained(position).await?)
    }

    /// Ends the feed and all subscriptions.
    pub fn end(&self) {
        self.sender().take();
        self.subscribed.notify_one();
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender<Arc<Batch>>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are no subscribers; then also resets `published`. Both under the lock: a subscriber that comes next
    /// waits for a new start.
    fn is_idle(&self) -> bool {
        let sender = self.sender();
        let is_idle = sender.as_ref().is_none_or(|sender| sender.receiver_count() == 0);
        if is_idle {
            self.published.send_replace(None);
        }
        is_idle
    }

    /// Sets `published` first: a subscriber that comes in between skips the batch.
    fn publish(&self, batch: Batch) {
        self.published.send_replace(batch.last());
        if let Some(sender) = &*self.sender() {
            // Fails only without subscribers.
            let _ = sender.send(Arc::new(batch));
        }
    }

    async fn run(self: Arc<Self>) {
        while self.sender().is_some() {
            self.subscribed.notified().await;
            let (mut published, mut is_well) = (None, true);
            while !self.is_idle() {
                let result = match published {
                    None => self.begin().await,
                    Some(position) => self.publish_after(position).await,
                };
                match result {
                    Ok(position) => {
                        self.published.send_replace(Some(position));
                        published = Some(position);
                        is_well = true;
                    }
                    Err(error) => {
                        if std::mem::take(&mut is_well) {
                            tracing::warn!(%error, "events cannot be read; retrying");
                        }
                        published = published.and(*self.published.borrow());
                    }
                }
                sleep(TICK).await;
            }
        }
    }

    /// Skips the events that nobody subscribed to, after they are committed.
    async fn begin(&self) -> Result<Position, Error> {
        let end = self.log.end().await?;
        self.log.settle().await?;
        Ok(end)
    }

    /// Publishes the events after a position. Returns the position reached.
    async fn publish_after(&self, mut published: Position) -> Result<Position, Error> {
        let end = self.log.end().await?;
        if published < end {
            self.log.settle().await?;
        }
        while published < end {
            let (events, reached) = self.log.events(published, end).await?;
            for batch in Batch::split(events).map_err(|error| Error::Internal(error.into()))? {
                self.publish(batch);
            }
            published = reached;
        }
        Ok(published)
    }
}
