//! Everything out of a database, and into another: of any kind, and of any major of PostgreSQL.
//!
//! A backup is UTF-8 text in lines, all of it as of one moment:
//!
//! ```text
//! deploylog backup 1 0006_events 2026-11-24T08:00:00.000000Z     the format, the schema's last step, the moment
//! table records id component …                                   a table and its columns; then a row a line, as
//! 17   web  …                                                    PostgreSQL's COPY writes text, up to
//! \.                                                             this line; and so on for every table
//! sequence record_id 17                                          the last number given
//! end 1 4f0c…                                                    the rows in all, and the SHA-256 in hexadecimal of
//!                                                                everything before this line
//! ```
//!
//! Kept is every table that the migrations make, but those in [`NOT_KEPT`]. A restore takes the steps of the schema up to
//! the file's, puts the rows in, and takes the steps that are left: what these make of older rows they make of these.
//! All of it is one transaction, which ends well only behind a last line that fits.

mod dump;
mod file;
mod lines;
mod restore;

use std::io;

pub use dump::write;
pub use file::NewFile;
pub use restore::Backup;

use crate::{
    database::migrate::{self, MigrateError},
    error::Chained,
};

/// What the first line begins with.
const FORMAT: &str = "deploylog backup 1";
/// Ends a table's rows.
const END_OF_ROWS: &[u8] = b"\\.\n";
/// Of one database and the processes on it; and events, whose readers begin anew in another.
const NOT_KEPT: [&str; 4] = ["migrations", "replicas", "heartbeats", "events"];

/// What went out, or in.
#[derive(Debug)]
pub struct Summary {
    /// So many records.
    pub records: u64,
    /// As of this moment, in RFC 3339.
    pub moment: String,
}

/// Why a backup or a restore came to nothing.
#[derive(Debug)]
pub enum BackupError {
    /// The database said no, or nothing.
    Database(tokio_postgres::Error),
    /// Its schema cannot be used.
    Schema(MigrateError),
    /// The file cannot be read or written.
    File(io::Error),
    /// One sentence for the operator.
    Refused(String),
}

impl std::fmt::Display for BackupError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Database(error) => Chained(error).fmt(f),
            Self::Schema(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::Refused(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<tokio_postgres::Error> for BackupError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<MigrateError> for BackupError {
    fn from(error: MigrateError) -> Self {
        Self::Schema(error)
    }
}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The tables that are kept of a schema of so many steps, in the order in which they are made.
fn kept_tables(steps: usize) -> Vec<&'static str> {
    migrate::tables(steps).into_iter().filter(|table| !NOT_KEPT.contains(table)).collect()
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
