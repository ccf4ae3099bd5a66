//! The process: what it was asked to do, and its exit code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use deploylog::{commands, log};

fn main() -> ExitCode {
    match commands::run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for sentence in &failure.sentences {
                let _ = writeln!(io::stderr(), "deploylog: {}", log::escaped(sentence));
            }
            ExitCode::from(failure.code)
        }
    }
}
