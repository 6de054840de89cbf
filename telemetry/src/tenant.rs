//! The tenant: whose data a record is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Length that a tenant id may have at most, in bytes.
pub const TENANT_BYTES_MAX: usize = 150;

/// Id of a tenant: 1 to 150 of `[A-Za-z0-9._-]`, neither `.` nor `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(Arc<str>);

/// Why text is no tenant id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tenant id is 1 to 150 of A-Z a-z 0-9 . _ - and neither \".\" nor \"..\", this is {0:?}")]
pub struct ParseTenantError(String);

impl Tenant {
    /// The tenant of requests when authentication is off.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self(Arc::from("default"))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tenant {
    type Err = ParseTenantError;

    fn from_str(text: &str) -> Result<Self, ParseTenantError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let valid = (1..=TENANT_BYTES_MAX).contains(&text.len())
            && text.bytes().all(allowed)
            && text != "."
            && text != "..";
        if valid {
            Ok(Self(Arc::from(text)))
        } else {
            Err(ParseTenantError(
                text.chars().take(TENANT_BYTES_MAX + 1).collect(),
            ))
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_tenants() {
        for valid in ["default", "a", "A.b_c-9", "..."] {
            assert_eq!(valid.parse::<Tenant>().expect("valid").as_str(), valid);
        }
        for invalid in ["", ".", "..", "a/b", "a b", "ä", &"x".repeat(151)] {
            assert!(invalid.parse::<Tenant>().is_err(), "{invalid:?}");
        }
    }
}
