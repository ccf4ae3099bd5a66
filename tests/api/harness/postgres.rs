//! PostgreSQL for the tests: one cluster for the whole run, stopped when the test process ends for any reason.

use std::{
    io::Write as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use deploylog::embedded::{Access, Cluster};
use tokio::runtime::Runtime;
use tokio_postgres::config::Host;

use super::Session;

/// A directory that every user can read, because PostgreSQL may run as another one; removed when dropped.
pub struct TempDirectory(PathBuf);

impl TempDirectory {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("deploylog-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new, empty schema in the cluster of the run.
pub struct Database {
    cluster: &'static tokio_postgres::Config,
    pub schema: String,
}

impl Database {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let database = Self { cluster: cluster(), schema: format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed)) };
        database.sql(&format!("create schema {}", database.schema));
        database
    }

    /// A connection string in the key=value form.
    pub fn url(&self) -> String {
        url(self.cluster, &self.schema)
    }

    pub fn socket_dir(&self) -> PathBuf {
        let Host::Unix(dir) = &self.cluster.get_hosts()[0] else { panic!("not a socket") };
        dir.clone()
    }

    #[track_caller]
    pub fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        self::sql(&self.url(), sql)
    }
}

/// A connection string in the key=value form, with this schema as the search path.
pub fn url(cluster: &tokio_postgres::Config, schema: &str) -> String {
    let Host::Unix(dir) = &cluster.get_hosts()[0] else { panic!("not a socket") };
    let (user, name) = (cluster.get_user().unwrap(), cluster.get_dbname().unwrap());
    let port = cluster.get_ports().first().copied().unwrap_or(5432);
    format!("host={} port={port} user={user} dbname={name} options='-c search_path={schema}'", dir.display())
}

/// Runs SQL and returns the rows as text, `null` for null.
#[track_caller]
pub fn sql(url: &str, sql: &str) -> Vec<Vec<String>> {
    let rows = Session::open(url).query(sql);
    rows.iter().map(|row| (0..row.len()).map(|index| row.get(index).unwrap_or("null").to_owned()).collect()).collect()
}

/// A cluster that belongs to one test, which can stop and restart it.
pub struct PrivateCluster {
    directory: TempDirectory,
    runtime: Runtime,
    cluster: Option<Cluster>,
    _guard: Child,
}

impl PrivateCluster {
    pub fn start() -> Self {
        Self::start_in(TempDirectory::new())
    }

    pub fn start_in(directory: TempDirectory) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = guard(directory.path());
        let mut own = Self { directory, runtime, cluster: None, _guard: guard };
        own.restart();
        own
    }

    /// Starts it after [`Self::stop`].
    pub fn restart(&mut self) {
        let started = self.runtime.block_on(Cluster::start(self.directory.path(), Access::Service));
        self.cluster = Some(started.unwrap_or_else(|error| panic!("{error}")));
    }

    pub fn stop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            self.runtime.block_on(cluster.stop());
        }
    }

    /// A connection string in the key=value form.
    pub fn url(&self) -> String {
        format!("host={}/socket user=deploylog dbname=deploylog", self.directory.as_str())
    }

    pub fn postmaster_pid(&self) -> u32 {
        postmaster_pid(self.directory.path())
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The process id of the postmaster that serves a data directory.
pub fn postmaster_pid(data_dir: &Path) -> u32 {
    let file = std::fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// The cluster of the run, started on first use.
fn cluster() -> &'static tokio_postgres::Config {
    static CLUSTER: OnceLock<(tokio_postgres::Config, Child)> = OnceLock::new();
    &CLUSTER
        .get_or_init(|| {
            let directory = TempDirectory::new();
            let guard = guard(directory.path());
            let (sender, receiver) = mpsc::channel();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let cluster = Cluster::start(directory.path(), Access::Service)
                        .await
                        .unwrap_or_else(|error| panic!("{error}"));
                    sender.send(cluster.config.clone()).unwrap();
                    std::future::pending::<()>().await;
                });
            });
            (receiver.recv().expect("PostgreSQL starts"), guard)
        })
        .0
}

/// A process that stops the cluster when its standard input closes, which happens even if this process is killed.
fn guard(directory: &Path) -> Child {
    let script = r#"
        read -r _
        pid=$(head -n 1 "$1/cluster/postmaster.pid") && kill -INT "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
        rm -rf "$1"
    "#;
    let mut guard = Command::new("sh")
        .args(["-c", script, "guard", directory.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own, so that Ctrl-C does not reach it.
        .process_group(0)
        .spawn()
        .unwrap();
    guard.stdin.as_mut().unwrap().flush().unwrap();
    guard
}
