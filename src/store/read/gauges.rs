//! Figures of deploys as a whole, for metrics.

use super::Reads;
use crate::{
    error::{Cause, Error},
    store::rows,
};

/// So many components and environments have figures of their own: the first by name.
pub const MAX_PLACES: usize = 500;

/// The last deploy of a component in an environment.
pub struct LastDeploy {
    /// What was deployed.
    pub component: String,
    /// Empty if the record has no environment.
    pub environment: String,
    /// Unix time in seconds.
    pub finished_at: f64,
    /// In seconds, where it is known.
    pub duration: Option<f64>,
    /// Whether its phase is `succeeded`.
    pub is_success: bool,
}

impl Reads {
    /// How many deploys started within the last day and have not finished.
    pub async fn running(&self) -> Result<i64, Error> {
        let rows = self.keys.read(include_str!("../../../sql/deploys_running.sql"), &[]).await?;
        rows.first().map_or(Ok(0), |row| rows::column(row, 0)).map_err(Error::Internal)
    }

    /// The last deploy of every component and environment, by name; one more than [`MAX_PLACES`] where there are more.
    pub async fn last_deploys(&self) -> Result<Vec<LastDeploy>, Error> {
        let most = i32::try_from(MAX_PLACES + 1).unwrap_or(i32::MAX);
        let rows = self.keys.read(include_str!("../../../sql/deploys_last.sql"), &[&most]).await?;
        let deploy = |row| -> Result<_, Cause> {
            Ok(LastDeploy {
                component: rows::column(row, 0)?,
                environment: rows::column(row, 1)?,
                finished_at: rows::column(row, 2)?,
                duration: rows::column(row, 3)?,
                is_success: rows::column(row, 4)?,
            })
        };
        rows.iter().map(deploy).collect::<Result<_, _>>().map_err(Error::Internal)
    }
}
