//! PostgreSQL for the tests: one private cluster for the whole run, which ends with it, however it ends.

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

use deploylog::embedded::Cluster;
use tokio::runtime::Runtime;
use tokio_postgres::config::Host;

use super::Session;

/// A directory below the temporary one, which any user reaches; removed when it goes.
pub struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
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

    pub fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A schema of its own in the run's cluster.
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

    /// In the key=value form.
    pub fn url(&self) -> String {
        url(self.cluster, &self.schema)
    }

    /// The directory of its socket.
    pub fn socket_dir(&self) -> PathBuf {
        let Host::Unix(dir) = &self.cluster.get_hosts()[0] else { panic!("not a socket") };
        dir.clone()
    }

    /// Runs SQL and answers the rows as text, `null` for null.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        self::sql(&self.url(), sql)
    }
}

/// A URL in the key=value form, with this schema first in the search path.
pub fn url(cluster: &tokio_postgres::Config, schema: &str) -> String {
    let Host::Unix(dir) = &cluster.get_hosts()[0] else { panic!("not a socket") };
    let (user, name) = (cluster.get_user().unwrap(), cluster.get_dbname().unwrap());
    let port = cluster.get_ports().first().copied().unwrap_or(5432);
    format!("host={} port={port} user={user} dbname={name} options='-c search_path={schema}'", dir.display())
}

/// Runs SQL there and answers the rows as text, `null` for null.
#[track_caller]
pub fn sql(url: &str, sql: &str) -> Vec<Vec<String>> {
    let rows = Session::open(url).rows(sql);
    rows.iter().map(|row| (0..row.len()).map(|index| row.get(index).unwrap_or("null").to_owned()).collect()).collect()
}

/// A cluster of the test's own, which can be stopped and started again.
pub struct OwnCluster {
    directory: PrivateDirectory,
    runtime: Runtime,
    cluster: Option<Cluster>,
    _guard: Child,
}

impl OwnCluster {
    pub fn start() -> Self {
        Self::start_in(PrivateDirectory::new())
    }

    pub fn start_in(directory: PrivateDirectory) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = guard(directory.path());
        let mut own = Self { directory, runtime, cluster: None, _guard: guard };
        own.resume();
        own
    }

    /// Starts it again.
    pub fn resume(&mut self) {
        let started = self.runtime.block_on(Cluster::start(self.directory.path()));
        self.cluster = Some(started.unwrap_or_else(|error| panic!("{error}")));
    }

    pub fn stop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            self.runtime.block_on(cluster.stop());
        }
    }

    /// In the key=value form.
    pub fn url(&self) -> String {
        format!("host={}/socket user=deploylog dbname=deploylog", self.directory.text())
    }

    /// The postmaster's process.
    pub fn postmaster(&self) -> u32 {
        postmaster(self.directory.path())
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The postmaster of a data directory.
pub fn postmaster(data_dir: &Path) -> u32 {
    let file = std::fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

/// The run's cluster, started by the first who asks.
fn cluster() -> &'static tokio_postgres::Config {
    static CLUSTER: OnceLock<(tokio_postgres::Config, Child)> = OnceLock::new();
    &CLUSTER
        .get_or_init(|| {
            let directory = PrivateDirectory::new();
            let guard = guard(directory.path());
            let (sender, receiver) = mpsc::channel();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let cluster = Cluster::start(directory.path()).await.unwrap_or_else(|error| panic!("{error}"));
                    sender.send(cluster.config()).unwrap();
                    std::future::pending::<()>().await;
                });
            });
            (receiver.recv().expect("PostgreSQL starts"), guard)
        })
        .0
}

/// A process that outlives this one and then stops the cluster: when the run ends, its standard input does.
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
        // Who interrupts the run does not mean it.
        .process_group(0)
        .spawn()
        .unwrap();
    guard.stdin.as_mut().unwrap().flush().unwrap();
    guard
}
