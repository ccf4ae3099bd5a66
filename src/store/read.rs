//! Reads: records by id, lists and reports.

mod deploys;
mod lists;
mod records;
mod reports;

pub use deploys::{AttemptKey, Deploys, LastDeploy, MAX_LAST_DEPLOYS, StageKeys};
pub use lists::Lists;
pub use records::Records;
pub use reports::Reports;
