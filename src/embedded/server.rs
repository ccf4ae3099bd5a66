//! PostgreSQL's programs at work on the cluster.

use std::{
    ffi::OsString,
    fmt::Display,
    fs::{self, File},
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, process::Command, time::sleep};
use tokio_postgres::Config;

use super::{
    EmbeddedError, NAME, PORT,
    account::{Account, last_words},
    binaries,
    directory::Directory,
    postmaster::Postmaster,
};

/// On the command line, where the cluster's configuration file cannot overrule them.
const SETTINGS: [&str; 5] = [
    // No TCP, and the socket is its owner's only.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    // Its log is its own, and stays bounded: one file a weekday, written anew the week after.
    "logging_collector=on",
    "log_filename=postgresql-%a.log",
    "log_truncate_on_rotation=on",
];

/// How long the last backends of a killed postmaster may take to notice.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(10);

/// The programs, the user they run as, and the directory they work on.
pub struct Server {
    account: Account,
    programs: PathBuf,
    directory: Directory,
    socket: PathBuf,
}

impl Server {
    pub async fn find(directory: Directory) -> Result<Server, EmbeddedError> {
        let account = Account::choose(&directory.cluster())?;
        account.reach(directory.path()).await?;
        let programs = binaries::find(directory.made_with()?, &account).await?;
        let socket = directory.socket()?;
        Ok(Server { account, programs, directory, socket })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn has_cluster(&self) -> bool {
        self.directory.cluster().exists()
    }

    /// Makes the cluster with its one database, all or nothing.
    pub async fn make_cluster(&self, lock: &File) -> Result<(), EmbeddedError> {
        let unusable = |error: io::Error| self.directory.unusable(&error);
        let place = self.directory.unfinished_cluster();
        if place.exists() {
            fs::remove_dir_all(&place).map_err(unusable)?;
        }
        self.account.keep_private(&place)?;
        tracing::info!("a new PostgreSQL cluster is made in {}", self.directory.path().display());

        let mut initdb = self.program("initdb");
        initdb.arg("-D").arg(&place).args(["-U", NAME, "--auth-local=trust", "--auth-host=reject"]);
        initdb.args(["--encoding=UTF8", "--locale=C"]);
        // Outliving a killed service, it goes on holding the lock: the next one must not work in the same place.
        initdb.stdin(lock.try_clone().map_err(unusable)?);
        self.run(&mut initdb, "").await?;

        let mut single = self.program("postgres");
        single.arg("--single").arg("-D").arg(&place).args(["-c", "exit_on_error=on", "postgres"]);
        self.run(single.stdin(Stdio::piped()), &format!("create database {NAME}\n")).await?;

        fs::rename(&place, self.directory.cluster()).map_err(unusable)?;
        File::open(self.directory.path()).and_then(|directory| directory.sync_all()).map_err(unusable)
    }

    /// Stops the postmaster that a killed service left behind: we hold the lock, so nobody uses it.
    pub async fn stop_leftover(&self) -> Result<(), EmbeddedError> {
        let cluster = self.directory.cluster();
        let pid_file = cluster.join("postmaster.pid");
        let Ok(text) = fs::read_to_string(&pid_file) else { return Ok(()) };
        let process = text.lines().next().unwrap_or_default();
        let socket = self.socket.join(format!(".s.PGSQL.{PORT}"));
        // The number alone proves nothing: it may be a zombie's by now, or anybody's.
        let ours = match fs::read_link(format!("/proc/{process}/cwd")) {
            Ok(directory) => directory == cluster,
            Err(_) => UnixStream::connect(socket).is_ok(),
        };
        if ours {
            tracing::warn!("PostgreSQL (process {process}) was left behind by a killed service: it is stopped first");
            if self.stop_by_file("fast").await.is_err() {
                self.stop_by_file("immediate").await?;
            }
            return Ok(());
        }
        // PostgreSQL would refuse to start as long as a process has that number.
        let _ = fs::remove_file(self.socket.join(format!(".s.PGSQL.{PORT}.lock")));
        fs::remove_file(pid_file).map_err(|error| self.directory.unusable(&error))
    }

    async fn stop_by_file(&self, mode: &str) -> Result<(), EmbeddedError> {
        self.run(self.program("pg_ctl").args(["stop", "-m", mode, "-D"]).arg(self.directory.cluster()), "").await
    }

    /// Starts a postmaster and waits until it answers.
    pub async fn start(&self, config: &Config) -> Result<Postmaster, EmbeddedError> {
        let began = Instant::now();
        loop {
            let mut postmaster = self.spawn()?;
            match postmaster.answer(config).await {
                Ok(()) => return Ok(postmaster),
                Err(EmbeddedError(reason))
                    if reason.contains("pre-existing shared memory block") && began.elapsed() < ORPHANS_PATIENCE =>
                {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts a postmaster.
    pub fn spawn(&self) -> Result<Postmaster, EmbeddedError> {
        self.account.keep_private(&self.socket)?;
        let startup_log =
            File::create(self.directory.startup_log()).map_err(|error| self.directory.unusable(&error))?;
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.directory.cluster()).arg("-c").arg(self.socket_setting());
        postgres.args(["-c", &format!("port={PORT}")]).args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        postgres.stderr(startup_log);
        let child = postgres.spawn().map_err(|error| failed(&postgres, &error))?;
        Ok(Postmaster::new(child, &self.directory))
    }

    /// Sends a postmaster a signal, by PostgreSQL's own means.
    pub async fn signal(&self, signal: &str, process: u32) -> Result<(), EmbeddedError> {
        self.run(self.program("pg_ctl").args(["kill", signal, &process.to_string()]), "").await
    }

    /// Removes the socket's directory, which is no use without a postmaster.
    pub fn tidy(&self) {
        let _ = fs::remove_dir(&self.socket);
    }

    /// A list to PostgreSQL, in which a quoted path may hold commas and spaces.
    fn socket_setting(&self) -> OsString {
        let mut setting = OsString::from("unix_socket_directories=\"");
        setting.push(&self.socket);
        setting.push("\"");
        setting
    }

    fn program(&self, name: &str) -> Command {
        self.account.command(self.programs.join(name))
    }

    async fn run(&self, command: &mut Command, input: &str) -> Result<(), EmbeddedError> {
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(|error| failed(command, &error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read says why in what it writes.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| failed(command, &error))?;
        if output.status.success() {
            return Ok(());
        }
        let reason = last_words(&String::from_utf8_lossy(&output.stderr)).map(String::from);
        Err(failed(command, &reason.unwrap_or_else(|| output.status.to_string())))
    }
}

fn failed(command: &Command, reason: &dyn Display) -> EmbeddedError {
    EmbeddedError(format!("{} failed: {reason}", command.as_std().get_program().display()))
}
