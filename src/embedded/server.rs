//! Runs PostgreSQL's programs on the cluster.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{process::Command, time::sleep};
use tokio_postgres::Config;

use super::account::{Account, failure_reason};
use super::binaries;
use super::directory::{Directory, PORT, socket_file};
use super::postmaster::Postmaster;
use super::reserve::Reserve;
use crate::error::Cause;

/// The superuser and the database of the cluster.
const NAME: &str = "deploylog";

/// `$0` is the directory of the programs, `$1` the cluster, and `$2` the name of the superuser and the database.
const CREATE_CLUSTER: &str = r#"
    "$0/initdb" -D "$1" -U "$2" --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C &&
    echo "create database $2" | "$0/postgres" --single -D "$1" -c exit_on_error=on postgres
"#;

/// Given on the command line, these settings override the cluster's configuration file.
const SETTINGS: [&str; 6] = [
    // No TCP, and only the owner can use the socket.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    // The log has at most one file for each day of the week.
    "logging_collector=on",
    "log_filename=postgresql-%a.log",
    "log_truncate_on_rotation=on",
    // The detail of an error can contain text of clients.
    "log_error_verbosity=terse",
];

/// How long the backends of a killed postmaster can take to exit.
const ORPHANS_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// A starting PostgreSQL creates its socket in less time than two of these.
const SOCKET_POLL: Duration = Duration::from_secs(1);

pub struct Server {
    account: Account,
    programs: PathBuf,
    directory: Directory,
    socket: PathBuf,
    pub reserve: Reserve,
}

impl Server {
    pub async fn find(directory: Directory) -> Result<Self, Cause> {
        let account = Account::choose(&directory.cluster())?;
        let socket = directory.socket();
        let programs = binaries::find(directory.created_by()?, &account).await?;
        for path in [Some(directory.path()), socket.parent()].into_iter().flatten() {
            account.check_access(path).await?;
        }
        let reserve = Reserve::new(directory.reserve());
        Ok(Self { account, programs, directory, socket, reserve })
    }

    /// Creates the cluster and its database, completely or not at all.
    pub async fn create_cluster(&self, lock: &File) -> Result<(), Cause> {
        let unusable = |error: io::Error| self.directory.unusable(&error);
        // A crash leaves no incomplete cluster in its final place.
        let unfinished = self.directory.path().join("cluster.new");
        if unfinished.symlink_metadata().is_ok() {
            fs::remove_dir_all(&unfinished).map_err(unusable)?;
        }
        self.account.private_directory(&unfinished)?;
        tracing::info!("creating a PostgreSQL cluster in {}", self.directory.path().display());

        let mut create = self.account.command("/bin/sh");
        create.arg("-c").arg(CREATE_CLUSTER).arg(&self.programs).arg(&unfinished).arg(NAME);
        // The child of a killed service still holds the lock, so that no other service works in the same directory.
        create.stdin(lock.try_clone().map_err(unusable)?);
        run(&mut create, "the PostgreSQL cluster cannot be created").await?;

        fs::rename(&unfinished, self.directory.cluster()).map_err(unusable)?;
        File::open(self.directory.path()).and_then(|directory| directory.sync_all()).map_err(unusable)
    }

    /// Stops the postmaster of a killed service. Nobody uses it, because this process holds the lock.
    pub async fn stop_leftover(&self) -> Result<(), Cause> {
        let cluster = self.directory.cluster();
        let pid_file = cluster.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&pid_file) else { return Ok(()) };
        let process = text.lines().next().unwrap_or_default();
        // The process id is not sufficient: another process can have it now.
        let is_postmaster = match fs::read_link(format!("/proc/{process}/cwd")) {
            Ok(directory) => directory == cluster,
            Err(_) => UnixStream::connect(socket_file(&self.socket)).is_ok(),
        };
        if !is_postmaster {
            // PostgreSQL does not start while a process with that id exists.
            let _ = fs::remove_file(self.socket.join(format!(".s.PGSQL.{PORT}.lock")));
            return fs::remove_file(pid_file).map_err(|error| self.directory.unusable(&error));
        }
        tracing::warn!("stopping the PostgreSQL (process {process}) of a killed service");
        for mode in ["fast", "immediate"] {
            let mut stop = self.program("pg_ctl");
            match run(stop.args(["stop", "-m", mode, "-D"]).arg(&cluster), "PostgreSQL cannot be stopped").await {
                Ok(()) => break,
                // It may have exited by itself. If not, the start fails and reports it.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(())
    }

    /// Starts a postmaster and waits until it accepts connections.
    pub async fn start(&self) -> Result<(Postmaster, Config), Cause> {
        let config = config(&self.socket);
        let began = Instant::now();
        loop {
            let mut postmaster = self.spawn()?;
            let Err(error) = postmaster.ready(&config).await else { return Ok((postmaster, config)) };
            let has_orphans = error.to_string().contains("pre-existing shared memory block");
            if !has_orphans || began.elapsed() > ORPHANS_TIMEOUT {
                return Err(error);
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    pub fn spawn(&self) -> Result<Postmaster, Cause> {
        self.account.private_directory(&self.socket)?;
        let startup_log = self.directory.new_startup_log().map_err(|error| self.directory.unusable(&error))?;
        // The setting is a list, so that a path with commas or spaces must be quoted.
        let socket = ["unix_socket_directories=\"".as_ref(), self.socket.as_os_str(), "\"".as_ref()];
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.directory.cluster()).arg("-c").arg(OsString::from_iter(socket));
        postgres.args(["-c", &format!("port={PORT}")]).args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        postgres.stderr(startup_log);
        let child = postgres.spawn().map_err(|error| format!("PostgreSQL cannot be started: {error}"))?;
        Ok(Postmaster::new(child, &self.directory))
    }

    /// Returns when the socket is missing, for example because a program deleted old files. PostgreSQL does not notice,
    /// and accepts no connections from then on.
    pub async fn socket_lost(&self) {
        let file = socket_file(&self.socket);
        let mut missing = 0;
        while missing < 2 {
            sleep(SOCKET_POLL).await;
            let exists = fs::symlink_metadata(&file).is_ok_and(|found| found.file_type().is_socket());
            missing = if exists { 0 } else { missing + 1 };
        }
    }

    pub fn remove_socket_directory(&self) {
        let _ = fs::remove_dir(&self.socket);
    }

    fn program(&self, name: &str) -> Command {
        self.account.command(self.programs.join(name))
    }
}

/// How to connect to the cluster with this socket directory.
pub fn config(socket: &Path) -> Config {
    let mut config = Config::new();
    config.host_path(socket).port(PORT).user(NAME).dbname(NAME);
    config
}

async fn run(command: &mut Command, problem: &str) -> Result<(), Cause> {
    let output = command.output().await.map_err(|error| format!("{problem}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = failure_reason(&stderr).map_or_else(|| output.status.to_string(), String::from);
    Err(format!("{problem}: {reason}").into())
}
