//! A reserve of disk space. On a full disk PostgreSQL can neither recover nor write a checkpoint, so the reserve is given up
//! then, and writes are refused, because they would use the freed space. Reads go on.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    process::Command,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::account::search_path;
use super::directory::new_file;

/// A segment of the write-ahead log has 16 MiB. The rest is for the small files that PostgreSQL writes when it starts.
const SIZE: u64 = 24 << 20;
/// With less free space the disk counts as full.
const MIN_FREE: u64 = 4 << 20;
const POLL: Duration = Duration::from_secs(2);
const DF_TIMEOUT: Duration = Duration::from_secs(2);

pub struct Reserve {
    file: PathBuf,
    is_given_up: Arc<AtomicBool>,
}

impl Reserve {
    pub fn new(file: PathBuf) -> Self {
        Self { file, is_given_up: Arc::default() }
    }

    /// Whether the reserve is given up, and writes must be refused.
    pub fn is_given_up(&self) -> Arc<AtomicBool> {
        self.is_given_up.clone()
    }

    /// Checks the disk forever.
    pub async fn keep(&self) -> ! {
        loop {
            self.check().await;
            sleep(POLL).await;
        }
    }

    /// Gives the reserve up if the disk is full, or makes it again if there is room.
    pub async fn check(&self) {
        // A disk whose free space is unknown does not stop the service.
        let Some(free) = free_space(&self.file).await else { return };
        let exists = self.file.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == SIZE);
        let result = if exists && free < MIN_FREE {
            fs::remove_file(&self.file).map(|()| false)
        } else if !exists && free > SIZE + 2 * MIN_FREE {
            let file = self.file.clone();
            spawn_blocking(move || create(&file)).await.unwrap_or_else(|error| Err(error.into())).map(|()| true)
        } else {
            Ok(exists)
        };
        let is_given_up = match result {
            Ok(exists) => !exists,
            Err(error) => {
                tracing::warn!("the reserve {} cannot be changed: {error}", self.file.display());
                true
            }
        };
        let was_given_up = self.is_given_up.swap(is_given_up, Ordering::Relaxed);
        if is_given_up && !was_given_up {
            let needed = (SIZE + 2 * MIN_FREE) >> 20;
            tracing::error!("the disk of the data directory is full: refusing writes until {needed} MiB are free");
        } else if was_given_up && !is_given_up {
            tracing::info!("the disk of the data directory has room again: accepting writes");
        }
    }
}

fn create(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new_file(path)?;
    let written = fill(&mut file);
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn fill(file: &mut File) -> io::Result<()> {
    // A file system cannot compress random bytes.
    let mut chunk = vec![0; 1 << 20];
    getrandom::fill(&mut chunk).map_err(io::Error::other)?;
    (0..SIZE >> 20).try_for_each(|_| file.write_all(&chunk))
}

/// The bytes that users other than root can still write. The standard library has no function for it.
async fn free_space(file: &Path) -> Option<u64> {
    let mut df = Command::new("df");
    df.arg("-Pk").arg(file.parent()?).env_clear().env("LC_ALL", "C").env("PATH", search_path()).kill_on_drop(true);
    let output = timeout(DF_TIMEOUT, df.output()).await.ok()?.ok()?;
    available(&String::from_utf8_lossy(&output.stdout))
}

/// The column `Available` of `df -Pk`. The names in the first and last column can contain spaces.
fn available(output: &str) -> Option<u64> {
    let words: Vec<_> = output.lines().nth(1)?.split_whitespace().collect();
    let capacity = words.iter().position(|word| word.strip_suffix('%').is_some_and(|n| n.parse::<u8>().is_ok()))?;
    Some(words.get(capacity.checked_sub(1)?)?.parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_read_from_the_output_of_df() {
        let head = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n";
        for (line, free) in [
            ("/dev/sda1         10255636  5111824   4601148      53% /", Some(4_601_148 << 10)),
            ("//server/my files    163840   163840         0     100% /mnt/my 5% files", Some(0)),
            ("df: no such file", None),
        ] {
            assert_eq!(available(&format!("{head}{line}\n")), free, "{line}");
        }
        assert_eq!(available(""), None);
    }
}
