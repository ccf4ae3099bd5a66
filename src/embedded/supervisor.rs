//! Keeps PostgreSQL running for as long as the service does.

use std::{fs::File, time::Duration};

use tokio::{
    sync::oneshot::Receiver,
    time::{Instant, sleep},
};

use super::{EmbeddedError, postmaster::Postmaster, server::Server};

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A postmaster that lived so long did start well.
const STEADY: Duration = Duration::from_secs(30);

/// Starts a new postmaster whenever one ends, until told to stop; then stops the last, and only then lets go of the lock.
pub async fn supervise(server: Server, first: Postmaster, mut stopped: Receiver<()>, lock: File) {
    let mut running: Result<_, EmbeddedError> = Ok(first);
    let mut pause = SHORTEST_PAUSE;
    loop {
        let began = Instant::now();
        let reason = match &mut running {
            Ok(postmaster) => tokio::select! {
                reason = postmaster.end() => reason,
                _ = &mut stopped => break,
            },
            Err(error) => error.to_string(),
        };
        if began.elapsed() > STEADY {
            pause = SHORTEST_PAUSE;
        }
        tracing::error!("{reason}; it is started again in {pause:?}");
        tokio::select! {
            () = sleep(pause) => running = server.spawn(),
            _ = &mut stopped => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    if let Ok(postmaster) = running {
        postmaster.stop(&server).await;
    }
    server.tidy();
    // Not only closed: a process that is being started elsewhere may have a copy of it for a moment.
    let _ = lock.unlock();
}
