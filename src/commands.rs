//! What the process can be asked to do, each to its end.

mod backup;
mod database;
mod healthcheck;
mod load;
mod migrate;
mod restore;
mod serve;
mod token;

use std::{
    ffi::OsString,
    io::{self, Write as _},
};

use tokio::runtime::Builder;

use crate::{
    config::{HELP, Invocation},
    embedded,
};

/// What ends the process early.
#[derive(Debug)]
pub struct Failure {
    /// Its exit code.
    pub code: u8,
    /// What the operator is told, a line each.
    pub sentences: Vec<String>,
}

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 64;
const NO_DATABASE: u8 = 69;

impl Failure {
    fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { code, sentences: vec![sentence.into()] }
    }
}

/// Does what the command line (without the program's name) and the environment ask for.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|first| first == "load").is_some() {
        return load::run(arguments);
    }
    let environment = |name: &str| std::env::var_os(name);
    match Invocation::read(arguments, environment, embedded::running_as_root) {
        Ok(Invocation::Help) => say(HELP),
        Ok(Invocation::Version) => say(concat!("deploylog ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Invocation::Serve(config)) => return run_on(serving_runtime(), serve::run(config)),
        Ok(Invocation::Migrate(config)) => return run_on(Builder::new_current_thread(), migrate::run(config)),
        Ok(Invocation::Token(config, request)) => {
            return run_on(Builder::new_current_thread(), token::run(config, request));
        }
        Ok(Invocation::Backup(config, file)) => {
            return run_on(Builder::new_current_thread(), backup::run(config, file));
        }
        Ok(Invocation::Restore(config, file)) => {
            return run_on(Builder::new_current_thread(), restore::run(config, file));
        }
        Ok(Invocation::Healthcheck(listen)) => {
            let ready = async move {
                healthcheck::ready(listen).await.map_err(|error| Failure::new(FAILED, error.to_string()))
            };
            return run_on(Builder::new_current_thread(), ready);
        }
        Err(sentences) => return Err(Failure { code: BAD_SETTINGS, sentences }),
    }
    Ok(())
}

/// A thread for every two cores: the other half is PostgreSQL's, and a request that crosses no core wakes nobody.
fn serving_runtime() -> Builder {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)));
    runtime
}

/// Whoever reads this may have gone: that ends nothing.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn run_on(mut runtime: Builder, work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FAILED, format!("the runtime does not start: {error}")))?;
    let result = runtime.block_on(work);
    // A read of standard input that never ends is not waited for.
    runtime.shutdown_background();
    result
}
