//! The commands of the program, one file each.

mod backup;
mod database;
mod healthcheck;
mod load;
mod migrate;
mod restore;
mod result;
mod serve;
mod token;

use std::{ffi::OsString, thread::available_parallelism};

use tokio::runtime::Builder;

pub use self::result::CommandError;
use self::result::print;
use crate::config::{self, Command, Invocation};
use crate::{embedded, log};

/// Runs the command that the arguments (without the program's name) and the environment request.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), CommandError> {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|first| first == "load").is_some() {
        return run_on(Builder::new_current_thread(), load::run(arguments));
    }
    let environment = |name: &str| std::env::var_os(name);
    let invocation = Invocation::read(arguments, environment, embedded::running_as_root);
    let (command, config) = match invocation.map_err(CommandError::bad_settings)? {
        Invocation::Print(text) => {
            print(text);
            return Ok(());
        }
        Invocation::Healthcheck(listen) => return run_on(Builder::new_current_thread(), healthcheck::run(listen)),
        Invocation::Run(command, config) => (command, config),
    };
    log::to_stderr(config.is_log_json, config.log_level);
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    if let Some(warning) = config::unknown_variables(variables) {
        tracing::warn!("{warning}");
    }
    let runtime = if matches!(command, Command::Serve) { serving_runtime() } else { Builder::new_current_thread() };
    run_on(runtime, async {
        match command {
            Command::Serve => serve::run(&config).await,
            Command::Migrate => migrate::run(&config).await,
            Command::Token(request) => token::run(&config, request).await,
            Command::Backup(file) => backup::run(&config, file).await,
            Command::Restore(file) => restore::run(&config, file).await,
        }
    })
}

/// One thread for every two cores: PostgreSQL uses the others, and fewer threads cause fewer wake-ups across cores.
fn serving_runtime() -> Builder {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)));
    runtime
}

fn run_on(mut runtime: Builder, work: impl Future<Output = Result<(), CommandError>>) -> Result<(), CommandError> {
    let runtime = runtime.enable_all().build().map_err(CommandError::failed)?;
    let result = runtime.block_on(work);
    // Does not wait for a blocked read of standard input.
    runtime.shutdown_background();
    result
}
