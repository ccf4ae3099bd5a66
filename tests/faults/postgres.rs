//! PostgreSQL as its operating system sees it: processes that can be killed and stopped.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::api::harness::{self, PrivateCluster, TempDirectory, signal};

/// A cluster of the run's own.
pub struct Postgres {
    /// Starts again whenever its postmaster ends.
    _cluster: Option<PrivateCluster>,
    url: String,
    data: PathBuf,
    socket: PathBuf,
    runtime: Runtime,
    /// How many deadlocks have been told of.
    told: AtomicU64,
}

impl Postgres {
    pub fn start(directory: TempDirectory) -> Self {
        let (data, socket) = (directory.path().join("cluster"), directory.path().join("socket"));
        let cluster = PrivateCluster::start_in(directory);
        let url = cluster.url();
        Self { _cluster: Some(cluster), ..Self::of(url, data, &socket) }
    }

    /// One that somebody else keeps: its data directory, and that of its socket.
    pub fn of(url: String, data: PathBuf, socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { _cluster: None, url, data, socket: socket.join(".s.PGSQL.5432"), runtime, told: AtomicU64::new(0) }
    }

    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// How to reach it past every fault, in the key=value form.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// How many deadlocks there were since this was asked last.
    pub fn deadlocks(&self) -> u64 {
        let count = "select deadlocks from pg_stat_database where datname = current_database()";
        let counted = harness::sql(&self.url, count)[0][0].parse().unwrap();
        // A crash takes the statistics along, but not the log.
        let logs = fs::read_dir(self.data.join("log")).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let logged: usize = logs.map(|log| String::from_utf8_lossy(&log).matches("deadlock detected").count()).sum();
        let all = logged.max(counted) as u64;
        all.saturating_sub(self.told.swap(all, Ordering::Relaxed))
    }

    /// None while it starts.
    pub fn postmaster_pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// The processes beside the postmaster whose title begins so.
    pub fn processes(&self, title: &str) -> Vec<u32> {
        let Some(postmaster) = self.postmaster() else { return Vec::new() };
        let parent = format!("PPid:\t{postmaster}\n");
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_one = |pid: &u32| {
            let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("status").contains(&parent) && read("cmdline").starts_with(&format!("postgres: {title}"))
        };
        all.filter(is_one).collect()
    }

    /// Those that serve a client.
    pub fn backends(&self) -> Vec<u32> {
        self.processes("deploylog deploylog")
    }

    /// It is another one after each crash.
    pub fn checkpointer(&self) -> u32 {
        let mut found = self.processes("checkpointer");
        while found.is_empty() {
            std::thread::sleep(Duration::from_millis(5));
            found = self.processes("checkpointer");
        }
        found[0]
    }

    /// All its processes, the postmaster first.
    pub fn all(&self) -> Vec<u32> {
        self.postmaster().into_iter().chain(self.processes("")).collect()
    }

    /// Kills, and waits until it has been down and accepts again: since when.
    pub fn kill(&self, pids: &[u32]) -> Instant {
        let before = self.checkpointer();
        Self::signal(pids, "KILL");
        self.accepts_again(before)
    }

    /// Waits until another checkpointer than this one is there, and connections are accepted: since when.
    pub fn accepts_again(&self, before: u32) -> Instant {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.processes("checkpointer").first().is_none_or(|now| *now == before) || !self.accepts() {
            assert!(Instant::now() < deadline, "PostgreSQL does not come back");
            std::thread::sleep(Duration::from_millis(10));
        }
        Instant::now()
    }

    /// Whether a new connection is answered.
    pub fn accepts(&self) -> bool {
        let config: tokio_postgres::Config = self.url().parse().unwrap();
        let asked = async {
            let (client, connection) = config.connect(NoTls).await.ok()?;
            let connection = tokio::spawn(connection);
            let response = client.simple_query("select 1").await.ok();
            connection.abort();
            response
        };
        self.runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(1), asked).await })
            .is_ok_and(|a| a.is_some())
    }

    /// Sends it to those that have not ended by themselves.
    pub fn signal(pids: &[u32], name: &str) {
        for pid in pids {
            if fs::exists(format!("/proc/{pid}")).unwrap() {
                signal(*pid, name);
            }
        }
    }
}
