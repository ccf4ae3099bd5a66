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
        if path.symlink_metadata().is_ok() {
            return Err(refused(io::ErrorKind::AlreadyExists.into()));
        }
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
        // Takes the name, which fails where there is such a file by now. Not every file system has links.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path).await.map_err(refused)?;
        if let Err(error) = tokio::fs::rename(&self.partial, &self.path).await {
            let _ = tokio::fs::remove_file(&self.path).await;
            return Err(error.into());
        }
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

fn refused(error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            BackupError::Refused("it exists already, and a backup overwrites nothing".to_owned())
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_somebody_else_made_meanwhile_is_not_overwritten() {
        let directory = std::env::temp_dir().join(format!("deploylog-file-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let path = directory.join("backup");
        let file = NewFile::create(path.to_str().unwrap()).unwrap();
        std::fs::write(&path, "another's").unwrap();
        assert!(matches!(file.keep().await, Err(BackupError::Refused(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"another's");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1, "nothing partial is left");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
