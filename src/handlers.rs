//! What each call does: one file a resource.

pub mod health;
pub mod metrics;
pub mod records;
