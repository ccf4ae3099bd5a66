//! Reads: records by id, lists and reports.

mod deploys;
mod records;
mod reports;
mod typical;

pub use deploys::{Deploys, LastDeploy, MAX_LAST_DEPLOYS};
pub use records::Records;
pub use reports::Reports;
