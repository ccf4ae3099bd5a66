//! `deploylog load`: measures a service with the load generator.

use std::ffi::OsString;

use super::result::{CommandError, print};
use crate::load::{
    self,
    options::{HELP, Request},
};

pub async fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), CommandError> {
    let request = Request::read(arguments, std::env::var_os("DEPLOYLOG_TOKEN"));
    let Request::Run(options) = request.map_err(CommandError::bad_settings)? else {
        print(HELP);
        return Ok(());
    };
    let outcome = load::run(&options).await.map_err(CommandError::failed)?;
    print(&outcome.text);
    outcome.complaint.map_or(Ok(()), |complaint| Err(CommandError::failed(complaint)))
}
