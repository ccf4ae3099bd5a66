//! The private PostgreSQL that the service runs when no `DATABASE_URL` is given.
//!
//! Everything stands in one data directory:
//!
//! ```text
//! lock          held while a service lives; says which process, and where the socket is
//! cluster       PostgreSQL's own; its log is in cluster/log
//! cluster.new   a cluster while it is made
//! socket        the way in, for its owner only
//! startup.log   what PostgreSQL said before its log was open
//! ```
//!
//! A start takes the lock, finds the server's programs, makes the cluster on the first run, stops a postmaster that a
//! killed service left behind, and runs `postgres` as a child. From then on the child is supervised: whenever it
//! ends, it is started again, until [`Cluster::stop`].

use std::{
    fmt,
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinHandle, time::sleep};
use tokio_postgres::Config;

use self::{
    directory::{Directory, Lock},
    server::Server,
};

mod account;
mod binaries;
mod directory;
mod postmaster;
mod server;
mod supervisor;

pub use self::account::running_as_root;

/// PostgreSQL's superuser in the cluster, and the service's database there.
const NAME: &str = "deploylog";
/// The port in the socket's name: nothing listens on it.
const PORT: u16 = 5432;
/// How long the socket of a cluster that another process holds may stay silent.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
/// How long the `initdb` of a killed service may go on holding the lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// A running private PostgreSQL: its own, supervised until [`Cluster::stop`], or one that another process holds.
///
/// Dropped without `stop`, it is stopped in the background, or killed where the runtime ends first.
pub struct Cluster {
    config: Config,
    /// Dropping the sender tells the supervisor to stop.
    supervisor: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Cluster {
    /// Starts the cluster in `data_dir`, making both on the first run, and returns when it answers, which takes as long
    /// as a recovery does. Dropped before that, it kills what it started.
    ///
    /// Fails when another process holds the directory, when the directory or the server's programs are not to be had,
    /// or when PostgreSQL does not start.
    pub async fn start(data_dir: &Path) -> Result<Cluster, EmbeddedError> {
        let directory = Directory::open(data_dir)?;
        let began = Instant::now();
        loop {
            match directory.lock()? {
                Lock::Ours(lock) => return Self::launch(directory, lock).await,
                Lock::Held(holder) if holder.is_alive() || began.elapsed() > LOCK_PATIENCE => {
                    return Err(EmbeddedError(format!("{directory} is in use by {holder}")));
                }
                Lock::Held(_) => sleep(POLL).await,
            }
        }
    }

    /// For subcommands: joins the cluster of a running service, else starts it as [`Cluster::start`] does.
    ///
    /// Fails as `start` does, and when the holder's PostgreSQL stays silent.
    pub async fn join_or_start(data_dir: &Path) -> Result<Cluster, EmbeddedError> {
        let directory = Directory::open(data_dir)?;
        let began = Instant::now();
        loop {
            let holder = match directory.lock()? {
                Lock::Ours(lock) => return Self::launch(directory, lock).await,
                Lock::Held(holder) => holder,
            };
            let config = config(&holder.socket);
            if postmaster::answers(&config).await? {
                return Ok(Cluster { config, supervisor: None });
            }
            if began.elapsed() > JOIN_PATIENCE {
                return Err(EmbeddedError(format!(
                    "{directory} is in use by {holder}, whose PostgreSQL does not answer"
                )));
            }
            sleep(POLL).await;
        }
    }

    /// How to reach it: socket, port, user and database.
    #[must_use]
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// Stops PostgreSQL, ending its connections, and waits for its end; does nothing to a cluster that was joined.
    pub async fn stop(self) {
        if let Some((stop, task)) = self.supervisor {
            drop(stop);
            // It fails only if the supervisor panicked: then PostgreSQL is gone too.
            let _ = task.await;
        }
    }

    async fn launch(directory: Directory, lock: File) -> Result<Cluster, EmbeddedError> {
        let server = Server::find(directory).await?;
        if !server.has_cluster() {
            server.make_cluster(&lock).await?;
        }
        server.stop_leftover().await?;
        let config = config(server.socket());
        let postmaster = server.start(&config).await?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(supervisor::supervise(server, postmaster, stopped, lock));
        Ok(Cluster { config, supervisor: Some((stop, task)) })
    }
}

fn config(socket: &Path) -> Config {
    let mut config = Config::new();
    config.host_path(socket).port(PORT).user(NAME).dbname(NAME);
    config
}

/// Why there is no private PostgreSQL, and what to do about it: one sentence without its full stop.
#[derive(Debug)]
pub struct EmbeddedError(String);

impl fmt::Display for EmbeddedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EmbeddedError {}
