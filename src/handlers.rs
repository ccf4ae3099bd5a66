//! What each call does: one file a resource.

pub mod health;
pub mod records;
pub mod reports;
