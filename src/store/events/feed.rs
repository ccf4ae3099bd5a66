//! What happens, told to everyone who listens: read from the database once, however many they are.

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
    time::{Instant, sleep, timeout},
};

use super::{Events, LOOK, Log};
use crate::{
    domain::event::{Batch, Position},
    error::Error,
};

/// Within this time it is told what happened; what happens meanwhile is read and told at once.
const TICK: Duration = Duration::from_millis(100);
/// Events read by a query.
const PAGE: i64 = 500;
/// A listener who is further behind is cut.
const BATCHES: usize = 64;
/// Half as far behind, one is waited for, for so long at most in a tick: a burst is nobody's fault.
const GRACE: Duration = Duration::from_secs(1);
/// So many read at the same time what was told before they came.
const CATCHING_UP: usize = 2;

/// What one hears.
pub struct Hearing {
    /// What comes; it may begin with what is told already.
    pub batches: Receiver<Arc<Batch>>,
    /// How far had been told then.
    pub told: Position,
}

/// Who tells, and how far.
pub struct Feed {
    /// Gone once no more is told.
    sender: Mutex<Option<Sender<Arc<Batch>>>>,
    /// Nothing while nobody listens.
    told: watch::Sender<Option<Position>>,
    wanted: Notify,
    /// One for each of those who read at the same time what was told before.
    turns: Semaphore,
    /// How long a new listener waits to hear how far had been told.
    wait: Duration,
}

impl Feed {
    /// Starts one, which reads nothing while nobody listens.
    pub fn start(log: Log, wait: Duration) -> Arc<Self> {
        let sender = Mutex::new(Some(broadcast::channel(BATCHES).0));
        let feed = Arc::new(Self {
            sender,
            told: watch::channel(None).0,
            wanted: Notify::new(),
            turns: Semaphore::new(CATCHING_UP),
            wait,
        });
        tokio::spawn(tell(log, feed.clone()));
        feed
    }

    /// Listens from now on: what was done before is in the database for everyone to see.
    pub async fn listen(&self) -> Result<Hearing, Error> {
        let (batches, mut told) = {
            let sender = self.sender();
            let sender = sender.as_ref().ok_or_else(|| Error::Unavailable("the process ends".into()))?;
            (sender.subscribe(), self.told.subscribe())
        };
        self.wanted.notify_one();
        match timeout(self.wait, told.wait_for(Option::is_some)).await {
            Ok(Ok(told)) if let Some(told) = *told => Ok(Hearing { batches, told }),
            _ => Err(Error::Unavailable("the database did not say in time what happened last".into())),
        }
    }

    /// Tells no more: who listens comes to the end.
    pub fn end(&self) {
        self.sender().take();
        self.wanted.notify_one();
    }

    fn sender(&self) -> MutexGuard<'_, Option<Sender<Arc<Batch>>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.sender().is_none()
    }

    /// Whether nobody listens. Who begins to then waits for a new beginning: under the lock, so that nobody begins in
    /// between.
    fn rests(&self) -> bool {
        let sender = self.sender();
        let rests = sender.as_ref().is_none_or(|sender| sender.receiver_count() == 0);
        if rests {
            self.told.send_replace(None);
        }
        rests
    }

    /// Whether somebody who listens is half as far behind as one may be.
    fn is_far_ahead(&self) -> bool {
        self.sender().as_ref().is_some_and(|sender| sender.len() > BATCHES / 2)
    }

    /// How far comes first: who begins to listen in between skips the batch.
    fn tell(&self, batch: Batch) {
        self.told.send_replace(batch.last());
        if let Some(sender) = &*self.sender() {
            // Nobody listens: nobody missed it.
            let _ = sender.send(Arc::new(batch));
        }
    }
}

async fn tell(log: Log, feed: Arc<Feed>) {
    while !feed.is_over() {
        feed.wanted.notified().await;
        let (mut told, mut is_well) = (None, true);
        while !feed.rests() {
            let result = match told {
                None => begin(&log).await,
                Some(position) => go_on(&log, &feed, position).await,
            };
            match result {
                Ok(position) => {
                    feed.told.send_replace(Some(position));
                    told = Some(position);
                    is_well = true;
                }
                Err(error) => {
                    if std::mem::take(&mut is_well) {
                        tracing::warn!(%error, "nobody is told what happens for now");
                    }
                    told = told.and(*feed.told.borrow());
                }
            }
            sleep(TICK).await;
        }
    }
}

/// What nobody listened to is not told, but must be there for all to see.
async fn begin(log: &Log) -> Result<Position, Error> {
    let last = log.last_event().await?;
    log.settle_events().await?;
    Ok(Position::behind(last))
}

async fn go_on(log: &Log, feed: &Feed, told: Position) -> Result<Position, Error> {
    let last = log.last_event().await?;
    let end = Position::behind(last);
    let mut told = told;
    if told < end {
        log.settle_events().await?;
    }
    let patience = Instant::now() + GRACE;
    while told < end {
        let (events, reached) = log.events(told, end, PAGE).await?;
        while feed.is_far_ahead() && Instant::now() < patience {
            sleep(LOOK).await;
        }
        for batch in Batch::all(events).map_err(Error::Internal)? {
            feed.tell(batch);
        }
        told = reached;
    }
    Ok(told)
}

impl Events {
    /// Listens to what happens from now on.
    pub async fn listen(&self) -> Result<Hearing, Error> {
        self.feed.listen().await
    }

    /// What happened behind a position up to one that has been told, a page of it; and how far that is. Nothing where
    /// some of it is forgotten.
    pub async fn happened(&self, after: Position, told: Position) -> Result<Option<(Vec<Batch>, Position)>, Error> {
        // However many come back at once, they leave the connections to others.
        let _turn = self.feed.turns.acquire().await.map_err(|closed| Error::Unavailable(closed.into()))?;
        let (events, reached) = self.log.events(after, told, PAGE).await?;
        if !self.log.has_events_behind(after).await? {
            return Ok(None);
        }
        Ok(Some((Batch::all(events).map_err(Error::Internal)?, reached)))
    }

    /// Whether a reader may go on from a position.
    pub async fn is_retained(&self, position: Position) -> Result<bool, Error> {
        Ok(self.log.has_events_behind(position).await?)
    }

    /// Ends what its listeners hear.
    pub fn end(&self) {
        self.feed.end();
    }
}
