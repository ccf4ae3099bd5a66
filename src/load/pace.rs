//! When the next request is sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// After the run's end: for requests that are due still, or sent again.
pub const GRACE: Duration = Duration::from_secs(30);

/// When requests are sent, shared by all connections.
#[derive(Clone)]
pub struct Pace {
    start: Instant,
    end: Instant,
    kind: Kind,
    is_stopped: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Kind {
    /// This many, one after the other.
    Count { left: Arc<AtomicU64> },
    /// One after the other until the end.
    Closed,
    /// At their times.
    Open(Arc<Open>),
}

struct Open {
    rate: f64,
    total: u64,
    taken: AtomicU64,
    due: Semaphore,
}

impl Pace {
    /// So many, as fast as they are answered, within this time.
    #[must_use]
    pub fn count(count: u64, within: Duration) -> Self {
        Self::new(within, Kind::Count { left: Arc::new(AtomicU64::new(count)) })
    }

    /// As fast as they are answered.
    #[must_use]
    pub fn closed(duration: Duration) -> Self {
        Self::new(duration, Kind::Closed)
    }

    /// So many a second, whatever the answers; for so many senders.
    #[must_use]
    pub fn open(rate: f64, duration: Duration, senders: usize) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 8.64e10")]
        let total = (rate * duration.as_secs_f64()).round() as u64;
        let open = Arc::new(Open { rate, total, taken: AtomicU64::new(0), due: Semaphore::new(0) });
        let pace = Self::new(duration, Kind::Open(open.clone()));
        let (start, is_stopped) = (pace.start, pace.is_stopped.clone());
        thread::spawn(move || open.release(start, senders, &is_stopped));
        pace
    }

    fn new(duration: Duration, kind: Kind) -> Self {
        let start = Instant::now();
        Self { start, end: start + duration, kind, is_stopped: Arc::default() }
    }

    /// Waits until a request is due, and answers since when; none: there are no more.
    pub async fn next(&self) -> Option<Instant> {
        let open = match &self.kind {
            Kind::Count { left } => {
                let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                return (taken.is_ok() && !self.is_over(Duration::ZERO)).then(Instant::now);
            }
            Kind::Closed => {
                let now = Instant::now();
                return (now < self.end && !self.is_stopped()).then_some(now);
            }
            Kind::Open(open) => open,
        };
        open.due.acquire().await.ok()?.forget();
        if self.is_over(GRACE) {
            return None;
        }
        let taken = |taken| (taken < open.total).then_some(taken + 1);
        let number = open.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).ok()?;
        Some(self.start + due_after(number, open.rate))
    }

    /// Ends it early: no further request is sent.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether it was ended, or its end is longer ago than this.
    #[must_use]
    pub fn is_over(&self, grace: Duration) -> bool {
        self.is_stopped() || Instant::now() > self.end + grace
    }

    /// How many are due and were not sent; of a run that was ended early, none.
    #[must_use]
    pub fn left(&self) -> u64 {
        match &self.kind {
            Kind::Open(open) if !self.is_stopped() => open.total - open.taken.load(Ordering::Relaxed),
            _ => 0,
        }
    }

    /// When it began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }
}

fn due_after(number: u64, rate: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "at most 8.64e10")]
    Duration::from_secs_f64(number as f64 / rate)
}

impl Open {
    /// A thread sleeps to some fifty microseconds; the runtime's timers only to the millisecond.
    fn release(&self, start: Instant, senders: usize, is_stopped: &AtomicBool) {
        let mut released = 0;
        while released < self.total && !is_stopped.load(Ordering::Relaxed) {
            let elapsed = start.elapsed();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 8.64e10")]
            let due = ((elapsed.as_secs_f64() * self.rate) as u64 + 1).min(self.total);
            self.due.add_permits(usize::try_from(due.saturating_sub(released)).unwrap_or(0));
            released = released.max(due);
            let pause = due_after(released, self.rate).saturating_sub(elapsed);
            thread::sleep(pause.min(Duration::from_millis(100)));
        }
        // Every sender wakes once more, and finds that there is nothing left.
        self.due.add_permits(senders);
    }
}
