//! `deploylog restore`: loads a backup into an empty database, completely or not at all.

use tokio::{
    fs::File,
    io::{self, AsyncRead},
};
use tokio_postgres::Client;

use super::database::CommandDatabase;
use super::result::{CommandError, print};
use crate::backup::Backup;
use crate::config::Config;
use crate::embedded::Access;

/// `file` is a path, or `-` for standard input.
pub async fn run(config: &Config, file: String) -> Result<(), CommandError> {
    let failed = |cause| CommandError::failed(cause).context(&format!("nothing was restored ({file})"));
    let reader: Box<dyn AsyncRead + Unpin> = match file.as_str() {
        "-" => Box::new(io::stdin()),
        path => Box::new(File::open(path).await.map_err(|error| failed(error.into()))?),
    };
    // Before the database is opened, so that a file that is no backup changes nothing.
    let backup = Backup::open(reader).await.map_err(failed)?;
    let restore = async |client: &mut Client| backup.restore(client).await.map_err(failed);
    let summary = CommandDatabase::run(config, Access::Create, restore).await?;
    print(&format!("restored {summary}\n"));
    Ok(())
}
