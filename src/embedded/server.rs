//! PostgreSQL's programs at work on the cluster.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{process::Command, time::sleep};
use tokio_postgres::Config;

use super::{
    EmbeddedError, NAME, PORT,
    account::{Account, last_words},
    binaries,
    directory::Directory,
    postmaster::Postmaster,
};

/// `$0` is where the programs are, `$1` where the cluster will be, `$2` the name of its superuser and of its database.
const MAKE_CLUSTER: &str = r#"
    "$0/initdb" -D "$1" -U "$2" --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C &&
    echo "create database $2" | "$0/postgres" --single -D "$1" -c exit_on_error=on postgres
"#;

/// On the command line, where the cluster's configuration file cannot overrule them.
const SETTINGS: [&str; 6] = [
    // No TCP, and the socket is its owner's only.
    "listen_addresses=",
    "unix_socket_permissions=0700",
    // Its log is its own, and stays bounded: one file a weekday, written anew the week after.
    "logging_collector=on",
    "log_filename=postgresql-%a.log",
    "log_truncate_on_rotation=on",
    // A refused row's detail is the sender's text.
    "log_error_verbosity=terse",
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
        let socket = directory.socket()?;
        let programs = binaries::find(directory.made_with()?, &account).await?;
        for place in [Some(directory.path()), socket.parent()].into_iter().flatten() {
            account.reach(place).await?;
        }
        Ok(Server { account, programs, directory, socket })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn has_cluster(&self) -> bool {
        self.directory.cluster().exists()
    }

    /// Makes the cluster and its database, all or nothing.
    pub async fn make_cluster(&self, lock: &File) -> Result<(), EmbeddedError> {
        let unusable = |error: io::Error| self.directory.unusable(&error);
        let place = self.directory.unfinished_cluster();
        if place.exists() {
            fs::remove_dir_all(&place).map_err(unusable)?;
        }
        self.account.keep_private(&place)?;
        tracing::info!("a new PostgreSQL cluster is made in {}", self.directory.path().display());

        let mut make = self.account.command("/bin/sh");
        make.arg("-c").arg(MAKE_CLUSTER).arg(&self.programs).arg(&place).arg(NAME);
        // Outliving a killed service, it goes on holding the lock: the next one must not work in the same place.
        make.stdin(lock.try_clone().map_err(unusable)?);
        run(&mut make, "the cluster cannot be made").await?;

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
        if !ours {
            // PostgreSQL would refuse to start as long as a process has that number.
            let _ = fs::remove_file(self.socket.join(format!(".s.PGSQL.{PORT}.lock")));
            return fs::remove_file(pid_file).map_err(|error| self.directory.unusable(&error));
        }
        tracing::warn!("PostgreSQL (process {process}) was left behind by a killed service: it is stopped first");
        for mode in ["fast", "immediate"] {
            let mut stop = self.program("pg_ctl");
            match run(stop.args(["stop", "-m", mode, "-D"]).arg(&cluster), "PostgreSQL cannot be stopped").await {
                Ok(()) => break,
                // It may have ended by itself: if not, the start fails and says so.
                Err(error) => tracing::warn!("{error}"),
            }
        }
        Ok(())
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
        let child =
            postgres.spawn().map_err(|error| EmbeddedError(format!("PostgreSQL cannot be started: {error}")))?;
        Ok(Postmaster::new(child, &self.directory))
    }

    /// Sends a postmaster a signal, by PostgreSQL's own means.
    pub async fn signal(&self, signal: &str, process: u32) -> Result<(), EmbeddedError> {
        run(self.program("pg_ctl").args(["kill", signal, &process.to_string()]), "PostgreSQL cannot be stopped").await
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
}

async fn run(command: &mut Command, failure: &str) -> Result<(), EmbeddedError> {
    let output = command.output().await.map_err(|error| EmbeddedError(format!("{failure}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let reason = last_words(&words).map_or_else(|| output.status.to_string(), String::from);
    Err(EmbeddedError(format!("{failure}: {reason}")))
}
