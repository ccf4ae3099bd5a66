//! How deploylog reaches PostgreSQL: `DATABASE_URL`, TLS, connections, pools, pipelines and migrations.

#[cfg(feature = "tls")]
mod certificate;
mod endpoint;
pub mod migrate;
mod pipeline;
mod pool;
mod probe;
mod query_error;
mod single_flight;
#[cfg(feature = "tls")]
mod tls;
mod url;

pub use self::{
    endpoint::Endpoint,
    pipeline::Pipeline,
    pool::{DeployDigest, Parameters, Pool, PoolLimits, QueryResult, connect_options},
    probe::Probe,
    query_error::QueryError,
    single_flight::{OwnedParameter, SingleFlight},
};

#[cfg(not(feature = "tls"))]
mod tls {
    use std::path::Path;

    use tokio_postgres::config::SslMode;

    pub use tokio_postgres::NoTls as Tls;

    pub fn connector(mode: SslMode, _: Option<&Path>, _: bool) -> Result<Option<Tls>, String> {
        if mode == SslMode::Require {
            return Err("DATABASE_URL requires TLS: build deploylog with the feature tls".into());
        }
        Ok(None)
    }
}
