//! The data directory: what is where, and who holds it.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{OpenOptionsExt as _, PermissionsExt as _},
        net::SocketAddr,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest as _, Sha256};

use super::{EmbeddedError, PORT, account::running_as_root, binaries};

/// A data directory that exists.
pub struct Directory(PathBuf);

/// What an attempt to take the directory's lock found.
pub enum Lock {
    /// Ours until the file, and every copy that a child inherited, is closed.
    Ours(File),
    Held(Holder),
}

/// The process that holds the lock, as the lock file tells.
pub struct Holder {
    process: String,
    pub socket: PathBuf,
}

impl Directory {
    pub fn open(path: &Path) -> Result<Directory, EmbeddedError> {
        let opened = fs::create_dir_all(path).and_then(|()| fs::canonicalize(path)).and_then(|absolute| {
            // PostgreSQL's user is another one than root, and needs a way to what is its own in here.
            if running_as_root() && fs::read_dir(&absolute)?.next().is_none() {
                fs::set_permissions(&absolute, Permissions::from_mode(0o711))?;
            }
            Ok(Directory(absolute))
        });
        opened.map_err(|error| Directory(path.into()).unusable(&error))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn cluster(&self) -> PathBuf {
        self.0.join("cluster")
    }

    /// Where a cluster is made: a crash meanwhile leaves nothing half made in its final place.
    pub fn unfinished_cluster(&self) -> PathBuf {
        self.0.join("cluster.new")
    }

    /// Where PostgreSQL keeps its log, as it does by default.
    pub fn log(&self) -> PathBuf {
        self.cluster().join("log")
    }

    /// What it says before that log is open.
    pub fn startup_log(&self) -> PathBuf {
        self.0.join("startup.log")
    }

    /// The major version of PostgreSQL that made the cluster, if there is one.
    pub fn made_with(&self) -> Result<Option<u32>, EmbeddedError> {
        if !self.cluster().exists() {
            return Ok(None);
        }
        let file = self.cluster().join("PG_VERSION");
        let unreadable = |error| EmbeddedError(format!("{} cannot be read: {error}", file.display()));
        Ok(binaries::major_of(&fs::read_to_string(&file).map_err(unreadable)?))
    }

    /// The directory of the socket: in here, else, where the system finds that path too long or PostgreSQL cannot
    /// read it, one under the temporary folder that is always the same.
    pub fn socket(&self) -> Result<PathBuf, EmbeddedError> {
        let digest = Sha256::digest(self.0.as_os_str().as_bytes());
        let name = digest.iter().take(8).fold(String::from("deploylog-"), |name, byte| format!("{name}{byte:02x}"));
        [self.0.join("socket"), std::env::temp_dir().join(&name), Path::new("/tmp").join(&name)]
            .into_iter()
            .find(|directory| holds_socket(directory))
            .ok_or_else(|| EmbeddedError(format!("{self} has no place for a socket")))
    }

    /// Takes the lock, unless it is held.
    pub fn lock(&self) -> Result<Lock, EmbeddedError> {
        let socket = self.socket()?;
        self.try_lock(&socket).map_err(|error| self.unusable(&error))
    }

    fn try_lock(&self, socket: &Path) -> io::Result<Lock> {
        let path = self.0.join("lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
                file.write_all(socket.as_os_str().as_bytes())?;
                Ok(Lock::Ours(file))
            }
            Err(TryLockError::WouldBlock) => Ok(Lock::Held(Holder::read(&fs::read(&path)?))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub fn unusable(&self, error: &io::Error) -> EmbeddedError {
        EmbeddedError(format!("{self} cannot be used: {error}; set DEPLOYLOG_DATA_DIR to another place"))
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the data directory {}", self.0.display())
    }
}

impl Holder {
    fn read(text: &[u8]) -> Holder {
        let mut lines = text.splitn(2, |byte| *byte == b'\n').map(OsStr::from_bytes);
        let mut next = || lines.next().unwrap_or_default();
        Holder { process: next().to_string_lossy().into(), socket: next().into() }
    }

    /// A killed service's `initdb` holds the lock a little longer than the service lived.
    pub fn is_alive(&self) -> bool {
        let asked =
            Command::new("/bin/sh").args(["-c", "kill -0 \"$0\"", &self.process]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deploylog (process {})", self.process)
    }
}

/// Whether PostgreSQL can have its socket there; it takes the path in double quotes.
fn holds_socket(directory: &Path) -> bool {
    let path = directory.join(format!(".s.PGSQL.{PORT}"));
    directory.is_absolute() && SocketAddr::from_pathname(&path).is_ok() && !path.as_os_str().as_bytes().contains(&b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_in_the_data_directory_where_its_path_fits() {
        assert_eq!(Directory("/data".into()).socket().unwrap(), Path::new("/data/socket"));
    }

    #[test]
    fn a_longer_path_has_a_directory_of_its_own_under_the_temporary_folder() {
        let long = |end: &str| Directory(format!("/{}{end}", "d".repeat(100)).into()).socket().unwrap();
        assert_eq!(long("a").parent(), Some(std::env::temp_dir().as_path()));
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn the_systems_limit_on_paths_is_kept() {
        let limit = if cfg!(target_os = "linux") { 108 } else { 104 };
        let longest = limit - "/.s.PGSQL.5432".len() - 1;
        let of_length = |length| PathBuf::from(format!("/{}", "d".repeat(length - 1)));
        assert!(holds_socket(&of_length(longest)));
        assert!(!holds_socket(&of_length(longest + 1)));
    }

    #[test]
    fn the_lock_file_tells_who_holds_it_and_where_the_socket_is() {
        let holder = Holder::read(b"123\n/data/socket");
        assert_eq!(holder.to_string(), "deploylog (process 123)");
        assert_eq!(holder.socket, Path::new("/data/socket"));
        assert!(!Holder::read(b"").is_alive());
    }
}
