//! The digest of a deploy as PostgreSQL's `uuid`, a type of sixteen bytes.

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::error::Cause;

/// A parameter.
#[derive(Debug)]
pub struct DeployDigest(pub [u8; 16]);

impl ToSql for DeployDigest {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Cause> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}
