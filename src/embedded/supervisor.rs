//! Restarts PostgreSQL whenever it exits or loses its socket, as long as the service runs.

use std::{fs::File, time::Duration};

use tokio::{
    sync::oneshot::Receiver,
    time::{Instant, sleep},
};

use super::postmaster::Postmaster;
use super::server::Server;
use crate::error::Cause;

const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// After this time a start counts as successful, and the next pause is short again.
const STABLE: Duration = Duration::from_secs(30);

/// Ends when `stopped` resolves. It then stops PostgreSQL before it releases the lock.
pub async fn supervise(server: Server, first: Postmaster, mut stopped: Receiver<()>, lock: File) {
    let mut running: Result<_, Cause> = Ok(first);
    let mut pause = MIN_PAUSE;
    loop {
        let began = Instant::now();
        let reason = match &mut running {
            Ok(postmaster) => {
                let exit = tokio::select! {
                    reason = postmaster.exit() => Some(reason),
                    () = server.socket_lost() => None,
                    never = server.reserve.keep() => never,
                    _ = &mut stopped => break,
                };
                if let Some(reason) = exit {
                    reason
                } else {
                    postmaster.stop().await;
                    "the socket of PostgreSQL was deleted".to_owned()
                }
            }
            Err(error) => error.to_string(),
        };
        if began.elapsed() > STABLE {
            pause = MIN_PAUSE;
        }
        tracing::error!("{reason}; restarting in {pause:?}");
        tokio::select! {
            () = sleep(pause) => {
                // On a full disk PostgreSQL does not start without the space of the reserve.
                server.reserve.check().await;
                running = server.spawn();
            }
            _ = &mut stopped => break,
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
    if let Ok(mut postmaster) = running {
        postmaster.stop().await;
    }
    server.remove_socket_directory();
    // Closing the file is not enough: a process that is being spawned can briefly hold a copy.
    let _ = lock.unlock();
}
