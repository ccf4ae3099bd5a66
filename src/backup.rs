//! Backup and restore, independent of the database's location and of its major version of PostgreSQL.
//!
//! A backup is a UTF-8 text with one consistent snapshot of the data:
//!
//! ```text
//! deploylog backup 1 0006_events 2026-11-24T08:00:00.000000Z     the format, the last migration, the snapshot's time
//! table records id component …                                   a table and its columns, then one line for each row
//! 17   web  …                                                    as written by PostgreSQL's COPY, in text format
//! \.                                                             the end of the table; other tables follow
//! sequence record_id 17                                          a sequence and its last number
//! end 1 4f0c…                                                    the total number of rows, and the SHA-256 of all
//!                                                                lines before this one, in hexadecimal
//! ```
//!
//! A restore is one transaction. It runs the migrations up to the one of the backup, loads the rows, and runs the
//! remaining migrations, which thus convert the restored rows like any other. It commits only if the last line matches.

mod dump;
mod file;
mod format;
mod restore;

pub use dump::write;
pub use file::NewFile;
pub use format::Summary;
pub use restore::Backup;
