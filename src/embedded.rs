//! The private PostgreSQL that the service runs if no `DATABASE_URL` is set.
//!
//! The data directory contains:
//!
//! ```text
//! lock          locked while a service runs; contains its process id and the path of the socket
//! cluster       PostgreSQL's data directory; its log is in cluster/log
//! cluster.new   a cluster during its creation
//! socket        PostgreSQL's socket, accessible to its user only
//! startup.log   PostgreSQL's output before its log is open
//! reserve       space that is given up when the disk is full
//! ```
//!
//! A start locks the directory, finds the server programs, creates the cluster if there is none and [`Access`] allows it,
//! stops a postmaster that a killed service left running, and runs `postgres` as a child. A supervisor restarts the child whenever it exits,
//! until [`Cluster::stop`].

use std::{
    fs::File,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tokio_postgres::Config;

use self::{
    directory::{Directory, Lock},
    postmaster::POLL,
    server::Server,
};
use crate::error::Cause;

mod account;
mod binaries;
mod directory;
mod postmaster;
mod reserve;
mod server;
mod supervisor;

pub use self::account::running_as_root;

/// How long to wait for the PostgreSQL of a running service.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the `initdb` of a killed service can hold the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(15);

/// Who uses a cluster. Only some commands create one, so that a mistyped directory is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The service: no other process uses the cluster. Creates a missing one.
    Service,
    /// A command that stores something: joins a running service. Creates a missing cluster.
    Create,
    /// Any other command: joins a running service. Needs an existing cluster.
    Existing,
}

/// A running private PostgreSQL: supervised by this process until [`Cluster::stop`], or run by another process.
///
/// Dropped without `stop`, it is stopped in the background, or killed if the runtime ends first.
pub struct Cluster {
    /// Socket, port, user and database.
    pub config: Config,
    /// The cluster was created by this start.
    pub is_new: bool,
    /// The disk is full, and writes must be refused.
    pub is_disk_full: Arc<AtomicBool>,
    /// Dropping the sender stops the supervisor. `None` if another process runs the cluster.
    supervisor: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Cluster {
    /// Starts the cluster in `data_dir`, or joins a running service. Returns when PostgreSQL accepts connections, which
    /// takes as long as a recovery does. Kills PostgreSQL if dropped before.
    ///
    /// Fails if a missing cluster must not be created, another process uses the directory (for a command, only if its
    /// PostgreSQL does not accept connections), the directory is not accessible, the server programs are not installed,
    /// or PostgreSQL does not start.
    pub async fn start(data_dir: &Path, access: Access) -> Result<Self, Cause> {
        let directory = Directory::open(data_dir, access)?;
        let can_join = access != Access::Service;
        let began = Instant::now();
        loop {
            let holder = match directory.lock()? {
                Lock::Ours(lock) => return Self::launch(directory, access, lock).await,
                Lock::Held(holder) => holder,
            };
            let config = server::config(&holder.socket);
            if can_join && postmaster::accepts_connections(&config).await? {
                return Ok(Self { config, is_new: false, is_disk_full: Arc::default(), supervisor: None });
            }
            let (is_final, problem) = if can_join {
                (began.elapsed() > JOIN_TIMEOUT, ", whose PostgreSQL does not accept connections")
            } else {
                (holder.is_alive() || began.elapsed() > LOCK_TIMEOUT, "")
            };
            if is_final {
                let process = holder.process;
                return Err(format!("{directory} is in use by deploylog (process {process}){problem}").into());
            }
            sleep(POLL).await;
        }
    }

    /// Closes PostgreSQL's connections, stops it and waits for its exit. Does nothing if another process runs it.
    pub async fn stop(self) {
        if let Some((stop, supervisor)) = self.supervisor {
            drop(stop);
            // Fails only if the supervisor panicked, which kills PostgreSQL.
            let _ = supervisor.await;
        }
    }

    async fn launch(directory: Directory, access: Access, lock: File) -> Result<Self, Cause> {
        let is_new = !directory.has_cluster();
        if is_new && access == Access::Existing {
            return Err(directory.without_cluster());
        }
        let server = Server::find(directory).await?;
        if is_new {
            server.create_cluster(&lock).await?;
        }
        server.stop_leftover().await?;
        server.reserve.check().await;
        let is_disk_full = server.reserve.is_given_up();
        let (postmaster, config) = server.start().await?;
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervisor::supervise(server, postmaster, stopped, lock));
        Ok(Self { config, is_new, is_disk_full, supervisor: Some((stop, supervisor)) })
    }
}
