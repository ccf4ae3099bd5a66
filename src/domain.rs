//! The rules: records, deploys, DORA metrics, events. No I/O, no HTTP.

pub mod caller;
pub mod cursor;
pub mod deploy;
pub mod dora;
pub mod durations;
pub mod event;
pub mod filter;
pub mod history;
pub mod key;
mod named_enum;
pub mod pattern;
pub mod record;
pub mod token;
pub mod window;
