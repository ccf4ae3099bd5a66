//! Decides when the next request is sent: as soon as a connection is free, or at a fixed rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// How long after the end of the run due requests are still sent and failed ones are still retried.
pub const GRACE: Duration = Duration::from_secs(30);

/// The schedule of a run, shared by all connections.
pub struct Schedule {
    pub start: Instant,
    end: Instant,
    total: u64,
    taken: AtomicU64,
    /// Requests per second; `None` for a closed loop.
    rate: Option<f64>,
    /// In an open loop, one permit for each request that is due.
    due: Semaphore,
    is_stopped: AtomicBool,
}

impl Schedule {
    /// Starts now. With a rate, each request is due at its own time, whether or not earlier ones have a response (open
    /// loop). Without one, a connection sends as soon as it is free, up to `max_requests` in total (closed loop).
    pub fn start(duration: Duration, rate: Option<f64>, max_requests: u64, connections: usize) -> Arc<Self> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 8.64e10")]
        let total = rate.map_or(max_requests, |rate| (rate * duration.as_secs_f64()).round() as u64);
        let (start, taken, due) = (Instant::now(), AtomicU64::new(0), Semaphore::new(0));
        let end = start + duration;
        let schedule = Arc::new(Self { start, end, total, taken, rate, due, is_stopped: AtomicBool::new(false) });
        if let Some(rate) = rate {
            let releasing = schedule.clone();
            thread::spawn(move || releasing.release(rate, connections));
        }
        schedule
    }

    /// Waits until a request is due and returns when it was due; `None` after the last one.
    pub async fn next(&self) -> Option<Instant> {
        let mut grace = Duration::ZERO;
        if self.rate.is_some() {
            self.due.acquire().await.ok()?.forget();
            grace = GRACE;
        }
        let now = Instant::now();
        if self.is_stopped() || now > self.end + grace {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let due = self.rate.map_or(now, |rate| self.start + due_after(number, rate));
        (number < self.total).then_some(due)
    }

    /// Ends the run early: no further request is sent.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether failed requests are no longer retried.
    pub fn is_over(&self) -> bool {
        self.is_stopped() || Instant::now() > self.end + GRACE
    }

    /// The number of requests that were due and never sent. A run that was stopped early has none.
    pub fn unsent(&self) -> u64 {
        let is_complete = self.rate.is_some() && !self.is_stopped();
        if is_complete { self.total.saturating_sub(self.taken.load(Ordering::Relaxed)) } else { 0 }
    }

    /// Releases requests when they are due. A thread sleeps with a precision of about 50 µs; timers of the runtime have
    /// a precision of a millisecond.
    fn release(&self, rate: f64, connections: usize) {
        let mut released = 0;
        while released < self.total && !self.is_stopped() {
            let elapsed = self.start.elapsed();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 8.64e10")]
            let due = ((elapsed.as_secs_f64() * rate) as u64 + 1).min(self.total);
            self.due.add_permits(usize::try_from(due.saturating_sub(released)).unwrap_or(0));
            released = released.max(due);
            let pause = due_after(released, rate).saturating_sub(elapsed);
            thread::sleep(pause.min(Duration::from_millis(100)));
        }
        // Each connection wakes once more and finds that no request is left.
        self.due.add_permits(connections);
    }
}

fn due_after(number: u64, rate: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, reason = "at most 8.64e10")]
    Duration::from_secs_f64(number as f64 / rate)
}
