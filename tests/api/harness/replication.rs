//! A PostgreSQL primary with a synchronous standby.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{PrivateCluster, eventually, signal, sql};

/// The standby's name for `synchronous_standby_names`.
#[allow(dead_code, reason = "only the fault tests use a standby")]
pub const STANDBY_NAME: &str = "standby";

/// A primary and, once added, a standby. Both listen on Unix sockets only.
pub struct ReplicatedCluster {
    /// Created the cluster and owns its directory; it stays stopped.
    _creator: PrivateCluster,
    programs: PathBuf,
    /// The primary's data directory, which holds its socket too.
    pub primary: PathBuf,
    standby: PathBuf,
    primary_process: Child,
    standby_process: Option<Child>,
}

#[allow(dead_code, reason = "only the fault tests use a standby")]
impl ReplicatedCluster {
    /// Starts the primary. Its commits do not wait for a standby yet.
    pub fn start() -> Self {
        let mut creator = PrivateCluster::start();
        let process = |what| fs::read_link(format!("/proc/{}/{what}", creator.postmaster_pid())).unwrap();
        let (program, primary) = (process("exe"), process("cwd"));
        creator.stop();
        let programs = program.parent().unwrap().to_owned();
        let senders = ["wal_level=replica", "max_wal_senders=10"];
        let primary_process = launch(&programs, &primary, &senders);
        let standby = primary.with_file_name(STANDBY_NAME);
        Self { _creator: creator, programs, primary, standby, primary_process, standby_process: None }
    }

    /// A connection string in the key=value form.
    pub fn url(&self) -> String {
        url(&self.primary)
    }

    /// A connection string for reads only.
    pub fn standby_url(&self) -> String {
        url(&self.standby)
    }

    /// From now on commits wait until this standby has confirmed them; if the name is empty, they do not wait.
    pub fn set_synchronous_standby(&self, standby: &str) {
        sql(&self.url(), &format!("alter system set synchronous_standby_names = '{standby}'"));
        let loaded = || sql(&self.url(), "select pg_conf_load_time()");
        let before = loaded();
        sql(&self.url(), "select pg_reload_conf()");
        eventually("the postmaster has reloaded its settings", || loaded() != before);
        // The checkpointer applies the new value before it checkpoints.
        sql(&self.url(), "checkpoint");
    }

    /// Copies the primary and starts the copy.
    pub fn add_standby(&mut self) {
        let owner = fs::metadata(&self.primary).unwrap();
        fs::create_dir(&self.standby).unwrap();
        fs::set_permissions(&self.standby, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&self.standby, Some(owner.uid()), Some(owner.gid())).unwrap();
        let mut copy = Command::new(self.programs.join("pg_basebackup"));
        copy.arg("-h").arg(&self.primary).args(["-U", "deploylog", "-R", "--no-sync", "--checkpoint=fast", "-D"]);
        copy.arg(&self.standby).uid(owner.uid()).gid(owner.gid()).current_dir("/");
        let output = copy.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // A copy of the primary's lock file, which would keep the standby from starting.
        fs::remove_file(self.standby.join(".s.PGSQL.5432.lock")).unwrap();
        self.start_standby();
    }

    /// Starts the standby and waits until it follows the primary.
    pub fn start_standby(&mut self) {
        self.standby_process = Some(launch(&self.programs, &self.standby, &["cluster_name=standby"]));
        let follows = "select from pg_stat_replication where application_name = 'standby' and state = 'streaming'";
        eventually("the standby follows", || !sql(&self.url(), follows).is_empty());
    }

    /// Starts the standby without a primary: it serves the data that it had received.
    pub fn start_standby_alone(&mut self) {
        self.standby_process = Some(launch(&self.programs, &self.standby, &["primary_conninfo="]));
    }

    pub fn stop_standby(&mut self) {
        if let Some(mut postmaster) = self.standby_process.take() {
            stop(&mut postmaster);
        }
    }
}

impl Drop for ReplicatedCluster {
    fn drop(&mut self) {
        self.stop_standby();
        stop(&mut self.primary_process);
    }
}

fn url(data: &Path) -> String {
    format!("host={} user=deploylog dbname=deploylog", data.display())
}

/// Starts a postmaster as the owner of its data directory, and waits until it accepts connections.
fn launch(programs: &Path, data: &Path, settings: &[&str]) -> Child {
    let owner = fs::metadata(data).unwrap();
    let mut command = Command::new(programs.join("postgres"));
    command.arg("-D").arg(data).args(["-c", &format!("unix_socket_directories={}", data.display())]);
    command
        .args(["-c", "listen_addresses=", "-c", "logging_collector=on"])
        .args(settings.iter().flat_map(|setting| ["-c", setting]));
    command.uid(owner.uid()).gid(owner.gid()).current_dir("/").process_group(0);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = data.join("postmaster.pid");
    eventually("PostgreSQL is ready", || {
        let is_its_own = |text: &str| text.starts_with(&format!("{}\n", child.id()));
        fs::read_to_string(&status).is_ok_and(|text| is_its_own(&text) && text.contains("\nready"))
    });
    child
}

fn stop(postmaster: &mut Child) {
    signal(postmaster.id(), "INT");
    postmaster.wait().unwrap();
}
