//! The operating system's user that PostgreSQL's programs run as, and how they are run.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, lchown},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::EmbeddedError;

/// Whether this process runs as root, as which PostgreSQL refuses to run.
#[must_use]
pub fn running_as_root() -> bool {
    let own = fs::metadata("/proc/self").map(|process| process.uid()).ok();
    own.or_else(|| id(&["-u"])) == Some(0)
}

/// A user and its group.
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// This process's own user; for root whoever `cluster` belongs to, else `postgres`, else `nobody`.
    pub fn choose(cluster: &Path) -> Result<Account, EmbeddedError> {
        let chosen = if running_as_root() {
            Self::owner(cluster).or_else(|| Self::named("postgres")).or_else(|| Self::named("nobody"))
        } else {
            id(&["-u"]).zip(id(&["-g"])).map(Self::numbered)
        };
        chosen.ok_or_else(|| EmbeddedError("PostgreSQL needs a user to run as, and id(1) knows none".into()))
    }

    fn owner(cluster: &Path) -> Option<Account> {
        let owner = fs::metadata(cluster).ok().filter(|metadata| metadata.uid() != 0)?;
        Some(Self::numbered((owner.uid(), owner.gid())))
    }

    fn named(name: &str) -> Option<Account> {
        Some(Account { name: name.into(), uid: id(&["-u", name])?, gid: id(&["-g", name])? })
    }

    fn numbered((uid, gid): (u32, u32)) -> Account {
        Account { name: uid.to_string(), uid, gid }
    }

    /// A program to be run as this user, in a process group of its own so that Ctrl-C does not reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // The service's environment holds what is not PostgreSQL's business: its secrets, and settings such as PGPORT.
        command.env_clear().env("LC_ALL", "C").env("PATH", search_path());
        command.uid(self.uid).gid(self.gid).process_group(0).kill_on_drop(true);
        // The service's own working directory may be closed to this user.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Makes a directory for this user alone, or checks that an existing one is.
    pub fn keep_private(&self, path: &Path) -> Result<(), EmbeddedError> {
        let kept = match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => lchown(path, Some(self.uid), Some(self.gid)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::symlink_metadata(path) {
                Ok(found) if found.is_dir() && found.uid() == self.uid && found.mode() & 0o777 == 0o700 => Ok(()),
                Ok(_) => {
                    return Err(EmbeddedError(format!(
                        "{} is not a directory that only the user {} can enter: remove it, or make it one (mode 0700)",
                        path.display(),
                        self.name
                    )));
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        kept.map_err(|error| EmbeddedError(format!("the directory {} cannot be made: {error}", path.display())))
    }

    /// Fails where the way to the directory is closed to this user.
    pub async fn reach(&self, directory: &Path) -> Result<(), EmbeddedError> {
        match self.command("test").arg("-x").arg(directory).status().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(EmbeddedError(format!(
                "{} cannot be reached by the user {}, as which PostgreSQL runs: open it and the directories above it \
                 (chmod o+x), or set DEPLOYLOG_DATA_DIR to another place",
                directory.display(),
                self.name
            ))),
        }
    }
}

/// The last line by which PostgreSQL's programs tell why they failed, without what stands before the reason.
pub fn last_words(output: &str) -> Option<&str> {
    let reason = |line| ["FATAL:", "error:", ": could not"].iter().any(|sign| str::contains(line, sign));
    let line = output.lines().rfind(|line| reason(line))?;
    Some(line.split_once("FATAL:").map_or(line, |(_, reason)| reason).trim())
}

/// `PATH`, and what every system has in case it says little.
pub fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/bin"].map(PathBuf::from);
    env::join_paths(env::split_paths(&path).filter(|place| place.is_absolute()).chain(usual)).unwrap_or_default()
}

/// What id(1) answers: the standard library cannot tell.
fn id(arguments: &[&str]) -> Option<u32> {
    let mut id = std::process::Command::new("id");
    let output = id.args(arguments).env("PATH", search_path()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fatal_line_is_told_without_its_prefix_and_hints() {
        let output = "2026-01-01 00:00:00.000 UTC [7] FATAL:  lock file exists\n2026 [7] HINT:  Is another running?\n";
        assert_eq!(last_words(output), Some("lock file exists"));
        assert_eq!(last_words("initdb: error: no room\ninitdb: removing it\n"), Some("initdb: error: no room"));
        assert_eq!(last_words("LOG:  redirecting log output to logging collector process\n"), None);
    }
}
