//! The user of the operating system that runs PostgreSQL's programs.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, lchown},
    path::{Path, PathBuf},
    process::{self, Stdio},
};

use tokio::process::Command;

use crate::error::Cause;

/// PostgreSQL refuses to run as root.
pub fn running_as_root() -> bool {
    own_uid() == Some(0)
}

/// The id of this process' user.
pub fn own_uid() -> Option<u32> {
    fs::metadata("/proc/self").map(|process| process.uid()).ok().or_else(|| id(&["-u"]))
}

pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The user of this process. For root: the owner of `cluster`, else `postgres`, else `deploylog`.
    pub fn choose(cluster: &Path) -> Result<Self, Cause> {
        if !running_as_root() {
            let own = id(&["-u"]).zip(id(&["-g"])).map(Self::numbered);
            return own.ok_or_else(|| "PostgreSQL needs a user to run as, but id(1) finds none".into());
        }
        if let Some(owner) = Self::owner(cluster)? {
            return Ok(owner);
        }
        // A shared user such as `nobody` would give its other processes access to the records.
        Self::named("postgres").or_else(|| Self::named("deploylog")).ok_or_else(|| {
            "root cannot run PostgreSQL, and there is no user postgres or deploylog: create one (useradd --system \
             deploylog), or set DATABASE_URL to another PostgreSQL"
                .into()
        })
    }

    fn owner(cluster: &Path) -> Result<Option<Self>, Cause> {
        let Ok(found) = fs::symlink_metadata(cluster) else { return Ok(None) };
        let cluster = cluster.display();
        if !found.is_dir() {
            return Err(format!("{cluster} must be a directory, and not a link").into());
        }
        if Some(found.uid()) == id(&["-u", "nobody"]) {
            return Err(format!(
                "{cluster} belongs to the shared user nobody: give it to a user of its own (chown -R postgres: {cluster})"
            )
            .into());
        }
        Ok((found.uid() != 0).then(|| Self::numbered((found.uid(), found.gid()))))
    }

    fn named(name: &str) -> Option<Self> {
        Some(Self { name: name.into(), uid: id(&["-u", name])?, gid: id(&["-g", name])? })
    }

    fn numbered((uid, gid): (u32, u32)) -> Self {
        Self { name: uid.to_string(), uid, gid }
    }

    /// Runs a program as this user, in its own process group so that Ctrl-C does not reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // The environment of the service can contain secrets, and settings such as PGPORT.
        command.env_clear().env("LC_ALL", "C").env("PATH", search_path());
        command.uid(self.uid).gid(self.gid).process_group(0).kill_on_drop(true);
        // This user may not be allowed to enter the working directory of the service.
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Creates a directory that only this user can enter, or checks an existing one.
    pub fn private_directory(&self, path: &Path) -> Result<(), Cause> {
        let created =
            DirBuilder::new().mode(0o700).create(path).and_then(|()| lchown(path, Some(self.uid), Some(self.gid)));
        match created {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path)?;
                if found.is_dir() && found.uid() == self.uid && found.mode() & 0o777 == 0o700 {
                    return Ok(());
                }
                let (path, user) = (path.display(), &self.name);
                Err(format!("{path} must be a directory that only the user {user} can enter (mode 0700)").into())
            }
            Err(error) => Err(format!("the directory {} cannot be created: {error}", path.display()).into()),
        }
    }

    /// Fails if this user cannot enter the directory.
    pub async fn check_access(&self, directory: &Path) -> Result<(), Cause> {
        match self.command("test").arg("-x").arg(directory).status().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!(
                "the user {} must run PostgreSQL, but cannot enter {}: allow it for this directory and its parents \
                 (chmod o+x), or set DEPLOYLOG_DATA_DIR to another directory",
                self.name,
                directory.display()
            )
            .into()),
        }
    }
}

/// Sends a signal to a process and returns whether that succeeded. The signal `0` only checks that the process exists.
pub fn kill(signal: &str, process: &str) -> bool {
    let mut shell = process::Command::new("/bin/sh");
    let status = shell.args(["-c", "kill -s \"$0\" \"$1\"", signal, process]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The reason of a failure in the output of PostgreSQL's programs, without the prefix of the line.
pub fn failure_reason(output: &str) -> Option<&str> {
    let is_reason = |line: &&str| ["FATAL:", "error:", ": could not"].iter().any(|sign| line.contains(sign));
    let line = output.lines().rfind(is_reason)?;
    Some(line.split_once("FATAL:").map_or(line, |(_, reason)| reason).trim())
}

/// The absolute directories of `PATH`, and those that every system has.
pub fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/bin"].map(PathBuf::from);
    env::join_paths(env::split_paths(&path).filter(|directory| directory.is_absolute()).chain(usual))
        .unwrap_or_default()
}

/// The output of id(1). The standard library has no function for it.
fn id(arguments: &[&str]) -> Option<u32> {
    let mut id = process::Command::new("id");
    let output = id.args(arguments).env("PATH", search_path()).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reason_has_no_prefix_and_no_hint() {
        let output = "2026-01-01 00:00:00.000 UTC [7] FATAL:  lock file exists\n2026 [7] HINT:  Is another running?\n";
        assert_eq!(failure_reason(output), Some("lock file exists"));
        assert_eq!(failure_reason("initdb: error: no room\ninitdb: removing it\n"), Some("initdb: error: no room"));
        assert_eq!(failure_reason("LOG:  redirecting log output to logging collector process\n"), None);
    }
}
