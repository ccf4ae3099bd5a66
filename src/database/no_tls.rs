//! In the place of TLS, in a binary that is built without it.

use std::path::Path;

use tokio_postgres::config::SslMode;

pub use tokio_postgres::NoTls as Tls;

/// Only what can do without is served.
pub fn connector(mode: SslMode, _: Option<&Path>, _: bool) -> Result<Option<Tls>, String> {
    if mode == SslMode::Require {
        return Err(
            "DATABASE_URL asks for TLS, and this deploylog was built without: build it with the feature tls".into()
        );
    }
    Ok(None)
}
