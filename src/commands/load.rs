//! `deploylog load`: measures a service with the load generator.

use std::ffi::OsString;

use super::result::{CommandError, print};
use crate::load::{self, HELP, Options};

pub async fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), CommandError> {
    let options = Options::parse(arguments, std::env::var_os("DEPLOYLOG_TOKEN"));
    let Some(options) = options.map_err(CommandError::bad_settings)? else {
        print(HELP);
        return Ok(());
    };
    load::run(&options, print).await.map_err(CommandError::failed)
}
