//! The rules: what a record, a deploy and the DORA metrics are. No I/O, no HTTP.

pub mod caller;
pub mod cursor;
pub mod deploy;
pub mod dora;
pub mod durations;
pub mod event;
pub mod filter;
pub mod history;
pub mod pattern;
pub mod record;
pub mod window;
