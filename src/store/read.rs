//! Reads: records by id, lists and reports.

mod deploys;
mod records;
mod reports;

pub use deploys::{Deploys, LastDeploy, MAX_LAST_DEPLOYS};
pub use records::Records;
pub use reports::Reports;
