//! `deploylog migrate`.

use super::{
    Failure,
    database::{self, Opened},
    say,
};
use crate::{config::Config, log};

/// Brings the schema up to date.
pub async fn run(config: Config) -> Result<(), Failure> {
    log::to_stderr(config.log);
    let database = Opened::open(&config).await?;
    let result = database::migrate(&database.endpoint, &|step| tracing::info!("migrating the schema: {step}")).await;
    database.close().await;
    match result? {
        0 => say("the schema was up to date\n"),
        1 => say("the schema is up to date: 1 migration was run\n"),
        steps => say(&format!("the schema is up to date: {steps} migrations were run\n")),
    }
    Ok(())
}
