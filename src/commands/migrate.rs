//! `deploylog migrate`: brings the database schema up to date.

use super::database::CommandDatabase;
use super::result::{CommandError, print};
use crate::config::Config;
use crate::embedded::Access;

pub async fn run(config: &Config) -> Result<(), CommandError> {
    let progress = |migration: &str| tracing::info!("migrating the schema: {migration}");
    let migrated = CommandDatabase::with(config, Access::Existing, async |database| {
        database.migrate(&progress).await.map_err(CommandError::no_database)
    });
    match migrated.await? {
        0 => print("the schema was up to date\n"),
        1 => print("the schema is up to date: ran 1 migration\n"),
        count => print(&format!("the schema is up to date: ran {count} migrations\n")),
    }
    Ok(())
}
