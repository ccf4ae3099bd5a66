//! How fast a client must take its answers.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes per second, while bytes wait to be sent.
const MIN_RATE: f64 = 1024.0;
/// The time over which the rate is averaged.
const MAX_LAG: Duration = Duration::from_secs(60);

/// Time counts only while bytes wait: a client that has everything it asked for is never late. Bytes count when the
/// kernel accepts them into its send buffer.
pub struct Pace {
    /// A client that takes nothing for this long is too slow.
    timeout: Duration,
    waits_since: Option<Instant>,
    /// The time that the client has waited beyond what its bytes allow at the lowest rate.
    lag: Duration,
}

impl Pace {
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, waits_since: None, lag: Duration::ZERO }
    }

    /// The client takes nothing now: when it is too slow.
    pub fn deadline(&mut self, now: impl FnOnce() -> Instant) -> Instant {
        let since = *self.waits_since.get_or_insert_with(now);
        since + self.timeout.min(MAX_LAG.saturating_sub(self.lag))
    }

    #[allow(clippy::cast_precision_loss, reason = "a write is far smaller than 2^52 bytes")]
    pub fn took(&mut self, now: impl FnOnce() -> Instant, length: usize) {
        // Most answers are taken at once and need no clock.
        if let Some(since) = self.waits_since.take() {
            self.lag += now() - since;
        }
        if !self.lag.is_zero() {
            self.lag = self.lag.saturating_sub(Duration::from_secs_f64(length as f64 / MIN_RATE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// After how many seconds of waiting a client is too slow that takes `length` bytes every `pause`; `None` if it is
    /// still connected after an hour.
    fn cut_after(pause: Duration, length: usize) -> Option<u64> {
        let (began, mut pace) = (Instant::now(), Pace::new(30 * SECOND));
        let mut now = began;
        while now < began + 3600 * SECOND {
            let deadline = pace.deadline(|| now);
            if deadline <= now + pause {
                return Some((deadline - began).as_secs());
            }
            now += pause;
            pace.took(|| now, length);
        }
        None
    }

    #[test]
    fn a_client_that_takes_less_than_1_kb_per_second_is_cut_after_a_minute() {
        assert_eq!(cut_after(20 * SECOND, 1), Some(60));
        assert_eq!(cut_after(SECOND, 1), Some(60));
        assert_eq!(cut_after(SECOND, 512), Some(119));
        assert_eq!(cut_after(SECOND, 1024), None);
        assert_eq!(cut_after(20 * SECOND, 20 << 10), None);
    }

    #[test]
    fn a_client_that_takes_nothing_is_cut_after_the_timeout() {
        assert_eq!(cut_after(30 * SECOND, 1 << 20), Some(30));
    }

    #[test]
    fn bytes_of_the_past_give_no_credit_and_idle_time_does_not_count() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(30 * SECOND));
        pace.took(|| now, 1 << 30);
        for _ in 0..3 {
            now += 1000 * SECOND;
            assert_eq!(pace.deadline(|| now), now + 30 * SECOND);
            now += 20 * SECOND;
            pace.took(|| now, 20 << 10);
        }
        for _ in 0..2 {
            pace.deadline(|| now);
            now += 20 * SECOND;
            pace.took(|| now, 1);
        }
        now += 1000 * SECOND;
        // 40 seconds of the minute are used.
        assert_eq!((pace.deadline(|| now) - now).as_secs(), 20);
    }
}
