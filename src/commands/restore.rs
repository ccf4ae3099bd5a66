//! `deploylog restore`.

use tokio::{
    fs::File,
    io::{self, AsyncRead},
};

use super::{
    Failure,
    backup::{counted, failure},
    database::Opened,
    say,
};
use crate::{
    backup::{Backup, Summary},
    config::Config,
    log,
};

/// Reads everything from a file, or from standard input.
pub async fn run(config: Config, name: String) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let failure = |error| failure("restored", &name, &error);
    let reader: Box<dyn AsyncRead + Unpin> = match name.as_str() {
        "-" => Box::new(io::stdin()),
        name => Box::new(File::open(name).await.map_err(|error| failure(error.into()))?),
    };
    // A file that is no backup leaves the database alone.
    let backup = Backup::open(reader).await.map_err(failure)?;
    let database = Opened::open(&config).await?;
    let result = database.work(async |client| backup.restore(client).await.map_err(failure)).await;
    database.close().await;
    let Summary { records, moment } = result?;
    say(&format!("restored {}, as of {moment}\n", counted(records)));
    Ok(())
}
