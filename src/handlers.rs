//! What each call does: one file per resource.

pub mod current;
pub mod deploys;
pub mod events;
pub mod health;
pub mod history;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod records;
pub mod reports;
