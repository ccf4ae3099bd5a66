//! The data directory: its files, and its lock.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::SocketAddr,
    },
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::account::{kill, own_uid, running_as_root};
use super::{Access, binaries};
use crate::error::Cause;

/// Part of the socket's name. PostgreSQL does not listen on this TCP port.
pub const PORT: u16 = 5432;

/// An existing data directory.
pub struct Directory(PathBuf);

pub enum Lock {
    /// Held until this file and all copies that children inherited are closed.
    Ours(File),
    Held(Holder),
}

/// The process that holds the lock.
pub struct Holder {
    /// Its process id.
    pub process: String,
    pub socket: PathBuf,
}

impl Directory {
    /// Creates a missing directory, unless `access` needs an existing cluster.
    pub fn open(path: &Path, access: Access) -> Result<Self, Cause> {
        let given = Self(path.into());
        // A service that is creating its cluster has the lock.
        if access == Access::Existing && !given.has_cluster() && given.lock_file().symlink_metadata().is_err() {
            return Err(given.without_cluster());
        }
        // If root starts the service, another user runs PostgreSQL and must reach its files.
        let mode = if running_as_root() { 0o711 } else { 0o700 };
        let created = DirBuilder::new().recursive(true).mode(mode).create(path);
        let unusable = |error: io::Error| given.unusable(&error);
        let absolute = created.and_then(|()| fs::canonicalize(path)).map_err(unusable)?;
        given.check_owner()?;
        let is_empty = fs::read_dir(&absolute).map_err(unusable)?.next().is_none();
        if running_as_root() && is_empty {
            fs::set_permissions(&absolute, Permissions::from_mode(mode)).map_err(unusable)?;
        }
        Ok(Self(absolute))
    }

    /// Fails if another user could replace the files in the directory, or the link that leads to it.
    fn check_owner(&self) -> Result<(), Cause> {
        let unusable = |error: io::Error| self.unusable(&error);
        let directory = fs::metadata(&self.0).map_err(unusable)?;
        let link = fs::symlink_metadata(&self.0).map_err(unusable)?;
        if let Some(other) = [link.uid(), directory.uid()].into_iter().find(|uid| *uid != 0 && Some(*uid) != own_uid())
        {
            return Err(format!(
                "{self} belongs to another user (id {other}): run deploylog as that user, change the owner, or set \
                 DEPLOYLOG_DATA_DIR to another directory"
            )
            .into());
        }
        if directory.mode() & 0o022 != 0 {
            return Err(format!(
                "other users can write to {self}: run chmod go-w on it, or set DEPLOYLOG_DATA_DIR to another directory"
            )
            .into());
        }
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn cluster(&self) -> PathBuf {
        self.0.join("cluster")
    }

    pub fn has_cluster(&self) -> bool {
        self.cluster().symlink_metadata().is_ok()
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// For PostgreSQL's output before its log is open.
    pub fn startup_log(&self) -> PathBuf {
        self.0.join("startup.log")
    }

    pub fn reserve(&self) -> PathBuf {
        self.0.join("reserve")
    }

    /// An empty file in place of the one of the previous start.
    pub fn new_startup_log(&self) -> io::Result<File> {
        match fs::remove_file(self.startup_log()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => new_file(&self.startup_log()),
        }
    }

    /// The major version of the PostgreSQL that created the cluster. `None` if there is no cluster.
    pub fn created_by(&self) -> Result<Option<u32>, Cause> {
        if !self.has_cluster() {
            return Ok(None);
        }
        let file = self.cluster().join("PG_VERSION");
        let version =
            fs::read_to_string(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Ok(binaries::major_of(&version))
    }

    /// The directory of the socket. If the path in the data directory is too long for the system or has characters
    /// that PostgreSQL cannot read, it is a directory in the temporary folder whose name depends only on that path.
    pub fn socket(&self) -> PathBuf {
        let digest = Sha256::digest(self.0.as_os_str().as_bytes());
        let name = digest.iter().take(8).fold(String::from("deploylog-"), |name, byte| format!("{name}{byte:02x}"));
        let mut preferred = [self.0.join("socket"), std::env::temp_dir().join(&name)].into_iter();
        // The last path is short enough everywhere.
        preferred.find(|directory| fits_socket(directory)).unwrap_or_else(|| Path::new("/tmp").join(name))
    }

    /// Locks the directory unless another process holds the lock.
    pub fn lock(&self) -> Result<Lock, Cause> {
        self.try_lock().map_err(|error| self.unusable(&error))
    }

    fn try_lock(&self) -> io::Result<Lock> {
        let path = self.lock_file();
        let mut file = match new_file(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Never the target of a link.
                if !path.symlink_metadata()?.is_file() {
                    return Err(io::Error::other(format!("{} must be a file, and not a link", path.display())));
                }
                OpenOptions::new().read(true).write(true).open(&path)?
            }
            other => other?,
        };
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
                file.write_all(self.socket().as_os_str().as_bytes())?;
                Ok(Lock::Ours(file))
            }
            Err(TryLockError::WouldBlock) => Ok(Lock::Held(Holder::read(&fs::read(&path)?))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub fn without_cluster(&self) -> Cause {
        format!(
            "{self} contains no database: set --data-dir (DEPLOYLOG_DATA_DIR) to the data directory of the service, or \
             --database-url (DATABASE_URL) to its PostgreSQL"
        )
        .into()
    }

    pub fn unusable(&self, error: &io::Error) -> Cause {
        format!("{self} cannot be used: {error}; set DEPLOYLOG_DATA_DIR to another directory").into()
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the data directory {}", self.0.display())
    }
}

impl Holder {
    fn read(text: &[u8]) -> Self {
        let mut lines = text.splitn(2, |byte| *byte == b'\n').map(OsStr::from_bytes);
        let mut next = || lines.next().unwrap_or_default();
        Self { process: next().to_string_lossy().into(), socket: next().into() }
    }

    /// False for a killed service whose `initdb` still holds the lock.
    pub fn is_alive(&self) -> bool {
        kill("0", &self.process)
    }
}

/// Fails if there is something at this path, also a link.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// The path of PostgreSQL's socket in its directory.
pub fn socket_file(directory: &Path) -> PathBuf {
    directory.join(format!(".s.PGSQL.{PORT}"))
}

/// PostgreSQL's setting contains the path in double quotes.
fn fits_socket(directory: &Path) -> bool {
    let path = socket_file(directory);
    directory.is_absolute() && SocketAddr::from_pathname(&path).is_ok() && !path.as_os_str().as_bytes().contains(&b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_in_the_data_directory_if_its_path_fits() {
        assert_eq!(Directory("/data".into()).socket(), Path::new("/data/socket"));
    }

    #[test]
    fn a_longer_path_gets_a_directory_in_the_temporary_folder() {
        let long = |end: &str| Directory(format!("/{}{end}", "d".repeat(100)).into()).socket();
        assert_eq!(long("a").parent(), Some(std::env::temp_dir().as_path()));
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn a_socket_path_can_be_as_long_as_the_system_allows() {
        let limit = if cfg!(target_os = "linux") { 108 } else { 104 };
        let longest = limit - "/.s.PGSQL.5432".len() - 1;
        let of_length = |length| PathBuf::from(format!("/{}", "d".repeat(length - 1)));
        assert!(fits_socket(&of_length(longest)));
        assert!(!fits_socket(&of_length(longest + 1)));
    }

    #[test]
    fn the_lock_file_contains_the_process_id_and_the_socket() {
        let holder = Holder::read(b"123\n/data/socket");
        assert_eq!(holder.process, "123");
        assert_eq!(holder.socket, Path::new("/data/socket"));
        assert!(!Holder::read(b"").is_alive());
    }
}
