//! `deploylog backup`: writes all data to a new file, or to standard output.

use tokio_postgres::Client;

use super::database::CommandDatabase;
use super::result::{CommandError, print};
use crate::backup::{self, NewFile};
use crate::config::Config;
use crate::embedded::Access;

/// `file` is a path, or `-` for standard output.
pub async fn run(config: &Config, file: String) -> Result<(), CommandError> {
    let failed = |cause| CommandError::failed(cause).context(&format!("no backup was written ({file})"));
    let mut new_file = if file == "-" { None } else { Some(NewFile::create(&file).map_err(failed)?) };
    let write = async |client: &mut Client| match &mut new_file {
        Some(new_file) => backup::write(client, &mut new_file.file).await.map_err(failed),
        None => backup::write(client, &mut tokio::io::stdout()).await.map_err(failed),
    };
    let summary = CommandDatabase::run(config, Access::Existing, write).await?;
    if let Some(new_file) = new_file {
        new_file.commit().await.map_err(failed)?;
        print(&format!("backed up {summary} to {file}\n"));
    }
    Ok(())
}
