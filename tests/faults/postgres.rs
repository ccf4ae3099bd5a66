//! A PostgreSQL cluster whose processes can be killed and stopped.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::api::harness::{self, PrivateCluster, TempDirectory, signal};

pub struct Postgres {
    /// Restarts whenever its postmaster ends.
    _cluster: Option<PrivateCluster>,
    url: String,
    data: PathBuf,
    socket: PathBuf,
    runtime: Runtime,
    reported_deadlocks: AtomicU64,
}

impl Postgres {
    pub fn start(directory: TempDirectory) -> Self {
        let (data, socket) = (directory.path().join("cluster"), directory.path().join("socket"));
        let cluster = PrivateCluster::start_in(directory);
        let url = cluster.url();
        Self { _cluster: Some(cluster), ..Self::existing(url, data, &socket) }
    }

    /// A cluster that the caller runs; `socket` is the directory of its socket.
    pub fn existing(url: String, data: PathBuf, socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            _cluster: None,
            url,
            data,
            socket: socket.join(".s.PGSQL.5432"),
            runtime,
            reported_deadlocks: AtomicU64::new(0),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// A direct connection string, unaffected by the network faults.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The number of deadlocks since the previous call.
    pub fn deadlocks(&self) -> u64 {
        let count = "select deadlocks from pg_stat_database where datname = current_database()";
        let counted = harness::sql(&self.url, count)[0][0].parse().unwrap();
        // A crash deletes the statistics but not the log.
        let logs = fs::read_dir(self.data.join("log")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let logged: usize = logs.map(|log| String::from_utf8_lossy(&log).matches("deadlock detected").count()).sum();
        let all = logged.max(counted) as u64;
        all.saturating_sub(self.reported_deadlocks.swap(all, Ordering::Relaxed))
    }

    /// `None` while PostgreSQL starts.
    pub fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// The child processes of the postmaster whose title starts with `title`.
    pub fn processes(&self, title: &str) -> Vec<u32> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let parent = format!("PPid:\t{postmaster}\n");
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let matches = |pid: &u32| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").starts_with(&format!("postgres: {title}"))
        };
        all.filter(matches).collect()
    }

    /// The processes that serve the clients of deploylog.
    pub fn backends(&self) -> Vec<u32> {
        self.processes("deploylog deploylog")
    }

    /// PostgreSQL starts a new checkpointer after each crash, so its pid tells one start from the next.
    pub fn checkpointer(&self) -> u32 {
        let mut found = self.processes("checkpointer");
        while found.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
            found = self.processes("checkpointer");
        }
        found[0]
    }

    /// All processes, the postmaster first.
    pub fn all(&self) -> Vec<u32> {
        self.postmaster().into_iter().chain(self.processes("")).collect()
    }

    /// Kills these processes and waits for the restart of PostgreSQL. Returns when it accepted connections again.
    pub fn kill(&self, pids: &[u32]) -> Instant {
        let before = self.checkpointer();
        Self::signal(pids, "KILL");
        self.wait_for_restart(before)
    }

    /// Waits until there is a new checkpointer and PostgreSQL accepts connections. Returns that time.
    pub fn wait_for_restart(&self, old_checkpointer: u32) -> Instant {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.processes("checkpointer").first().is_none_or(|now| *now == old_checkpointer) || !self.accepts() {
            assert!(Instant::now() < deadline, "PostgreSQL does not restart");
            std::thread::sleep(Duration::from_millis(10));
        }
        Instant::now()
    }

    /// Whether PostgreSQL serves a new connection within a second.
    pub fn accepts(&self) -> bool {
        let config: tokio_postgres::Config = self.url().parse().unwrap();
        let query = async {
            let (client, connection) = config.connect(NoTls).await.ok()?;
            let connection = tokio::spawn(connection);
            let rows = client.simple_query("select 1").await.ok();
            connection.abort();
            rows
        };
        self.runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(1), query).await })
            .is_ok_and(|a| a.is_some())
    }

    /// Skips processes that have already ended.
    pub fn signal(pids: &[u32], name: &str) {
        for pid in pids {
            if fs::exists(format!("/proc/{pid}")).unwrap() {
                signal(*pid, name);
            }
        }
    }
}
