//! A line on standard error while the run goes on.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{bars, sender::Run};

/// Rewritten each second on a terminal; elsewhere a line every five.
pub async fn show(run: Arc<Run>, duration: Duration) {
    let is_terminal = io::stderr().is_terminal();
    let period = Duration::from_secs(if is_terminal { 1 } else { 5 });
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut before, mut since) = (0, run.pace.start());
    loop {
        let now = ticks.tick().await;
        let line = {
            let tally = run.tally.lock();
            let requests = tally.requests();
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let rate = (requests - before) as f64 / (now - since).as_secs_f64().max(0.001);
            (before, since) = (requests, now);
            format!(
                "{:>3.0} of {} s  {rate:>8.0} a second  99 %: {:>8}  retries {}  errors {}",
                (now - run.pace.start()).as_secs_f64(),
                duration.as_secs_f64(),
                bars::time(tally.latency.value_at_quantile(0.99)),
                tally.retries,
                tally.failed()
            )
        };
        let line = if is_terminal { format!("\r\x1b[2K{line}") } else { format!("{line}\n") };
        write(&line);
    }
}

/// Takes the line away, where it can be.
pub fn clear() {
    if io::stderr().is_terminal() {
        write("\r\x1b[2K");
    }
}

/// Whoever reads this may have gone: that ends nothing.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
