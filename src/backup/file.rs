//! A new file that gets its name only when it is complete.

use std::{
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tokio::fs::{File, OpenOptions};

use crate::error::Cause;

/// A file with a temporary name. It is removed when dropped without [`NewFile::commit`].
pub struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    pub file: File,
}

impl NewFile {
    /// Only this process' user can read the file. Fails if the path exists.
    pub fn create(path: &str) -> Result<Self, Cause> {
        let path = PathBuf::from(path);
        if path.symlink_metadata().is_ok() {
            return Err("the file already exists".into());
        }
        let mut partial = path.clone().into_os_string();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        Ok(Self { path, partial, file: file.into() })
    }

    /// Flushes the file to disk and renames it.
    pub async fn commit(self) -> Result<(), Cause> {
        self.file.sync_all().await?;
        // Reserves the name without overwriting another file. Hard links do not exist on all file systems.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path).await?;
        if let Err(error) = tokio::fs::rename(&self.partial, &self.path).await {
            let _ = tokio::fs::remove_file(&self.path).await;
            return Err(error.into());
        }
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(File::open(directory.unwrap_or(Path::new("."))).await?.sync_all().await?)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Finds nothing after a commit.
        let _ = std::fs::remove_file(&self.partial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_another_process_creates_in_the_meantime_is_not_overwritten() {
        let directory = std::env::temp_dir().join(format!("deploylog-file-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("backup");
        let file = NewFile::create(path.to_str().unwrap()).unwrap();
        std::fs::write(&path, "another's").unwrap();
        assert!(file.commit().await.unwrap_err().to_string().contains("exists"));
        assert_eq!(std::fs::read(&path).unwrap(), b"another's");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "no partial file is left");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
