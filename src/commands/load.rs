//! `deploylog load`.

use std::ffi::OsString;

use tokio::runtime::Builder;

use super::{BAD_SETTINGS, FAILED, Failure, run_on, say};
use crate::load::{
    self,
    options::{Options, Request},
};

pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    match Request::read(arguments, std::env::var_os("DEPLOYLOG_TOKEN")) {
        // One thread costs less a request than several that hand work to each other.
        Ok(Request::Run(options)) => run_on(Builder::new_current_thread(), send(options)),
        Ok(Request::Help) => {
            say(load::options::HELP);
            Ok(())
        }
        Err(sentences) => Err(Failure { code: BAD_SETTINGS, sentences }),
    }
}

async fn send(options: Options) -> Result<(), Failure> {
    let outcome = load::run(&options).await.map_err(|reason| Failure::new(FAILED, reason))?;
    say(&outcome.text);
    outcome.complaint.map_or(Ok(()), |complaint| Err(Failure::new(FAILED, complaint)))
}
