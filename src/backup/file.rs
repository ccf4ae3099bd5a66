//! A file that is there once it is whole.

use std::{
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tokio::fs::{File, OpenOptions};

use super::BackupError;

/// A new file, of another name until it is kept; gone where it is not.
pub struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins one for this process's user alone. What stands there already is not touched.
    pub fn create(path: &str) -> Result<Self, BackupError> {
        let path = PathBuf::from(path);
        refuse_existing(&path)?;
        let mut partial = path.clone().into_os_string();
        partial.push(format!(".{}.partial", std::process::id()));
        let partial = PathBuf::from(partial);
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        Ok(Self { path, partial, file: file.into() })
    }

    /// Where to write.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives it its name, once it is on the disk.
    pub async fn keep(self) -> Result<(), BackupError> {
        self.file.sync_all().await?;
        refuse_existing(&self.path)?;
        tokio::fs::rename(&self.partial, &self.path).await?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(OpenOptions::new().read(true).open(directory.unwrap_or(Path::new("."))).await?.sync_all().await?)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Once it is kept, it is not there under this name.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(BackupError::Refused("it exists already, and a backup overwrites nothing".to_owned())),
    }
}
