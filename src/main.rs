//! The process: runs the command and sets the exit code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use deploylog::{commands, log};

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Err(error) = commands::run(std::env::args_os().skip(1)) else { return ExitCode::SUCCESS };
    for message in &error.messages {
        let _ = writeln!(io::stderr(), "deploylog: {}", log::escaped(message));
    }
    ExitCode::from(error.exit_code)
}
