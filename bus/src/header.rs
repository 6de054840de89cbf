//! The bytes of a record's header: the same in the local log and in Kafka's header `tw` (docs/formats/log-segment.md).

use telemetry::{RecordTime, Tenant};

use crate::fields::Fields;
use crate::{Header, Kind, RequestHash};

/// Version that is written.
const VERSION: u8 = 1;
/// Bytes before the tenant.
const FIXED_BYTES: usize = 34;
const HISTORIC: u8 = 1;

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("a header of format {found}, this release reads format {VERSION}")]
    Version { found: u8 },
    #[error("a header of unknown kind {found}")]
    Kind { found: u8 },
    #[error("a header with unknown flags {found:#04x}")]
    Flags { found: u8 },
    #[error("a header of {bytes} bytes with a tenant of {tenant_bytes}")]
    Length { bytes: usize, tenant_bytes: u8 },
    #[error("a header with an invalid tenant")]
    Tenant,
}

impl Header {
    /// Writes the header behind what is in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let tenant = self.tenant.as_str().as_bytes();
        let kind = match self.kind {
            Kind::Otlp => 1,
            Kind::Tick => 2,
            Kind::Control => 3,
            Kind::Derived => 4,
            Kind::RemoteWrite1 => 5,
        };
        let tenant_bytes = u8::try_from(tenant.len()).expect("a tenant has at most 150 bytes");
        out.reserve(FIXED_BYTES + tenant.len());
        out.extend([
            VERSION,
            kind,
            u8::from(self.historic) * HISTORIC,
            tenant_bytes,
        ]);
        out.extend(self.part.to_le_bytes());
        out.extend(self.n_items.to_le_bytes());
        out.extend(self.accepted_at.unix_ms.to_le_bytes());
        out.extend(self.request_hash.0.to_le_bytes());
        out.extend(tenant);
    }

    /// Reads a whole header.
    ///
    /// # Errors
    /// When the bytes are of another version, or not what [`Header::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let short = HeaderError::Length {
            bytes: bytes.len(),
            tenant_bytes: bytes.get(3).copied().unwrap_or(0),
        };
        let mut fields = Fields(bytes);
        let version = fields.u8().ok_or(short)?;
        if version != VERSION {
            return Err(HeaderError::Version { found: version });
        }
        let kind = match fields.u8().ok_or(short)? {
            1 => Kind::Otlp,
            2 => Kind::Tick,
            3 => Kind::Control,
            4 => Kind::Derived,
            5 => Kind::RemoteWrite1,
            found => return Err(HeaderError::Kind { found }),
        };
        let flags = fields.u8().ok_or(short)?;
        if flags & !HISTORIC != 0 {
            return Err(HeaderError::Flags { found: flags });
        }
        let tenant_bytes = fields.u8().ok_or(short)?;
        let part = fields.u16().ok_or(short)?;
        let n_items = fields.u32().ok_or(short)?;
        let unix_ms = fields.i64().ok_or(short)?;
        let request_hash = RequestHash(fields.u128().ok_or(short)?);
        if fields.0.len() != usize::from(tenant_bytes) {
            return Err(short);
        }
        let tenant = std::str::from_utf8(fields.0)
            .ok()
            .and_then(|text| text.parse::<Tenant>().ok())
            .ok_or(HeaderError::Tenant)?;
        Ok(Self {
            tenant,
            kind,
            accepted_at: RecordTime { unix_ms },
            n_items,
            request_hash,
            part,
            historic: flags & HISTORIC != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn headers()(
            tenant in "[a-z0-9_]{1,150}",
            kind in prop::sample::select(vec![Kind::Otlp, Kind::Tick, Kind::Control, Kind::Derived, Kind::RemoteWrite1]),
            unix_ms: i64, n_items: u32, hash: u128, part: u16, historic: bool,
        ) -> Header {
            Header {
                tenant: tenant.parse().expect("valid"),
                kind,
                accepted_at: RecordTime { unix_ms },
                n_items,
                request_hash: RequestHash(hash),
                part,
                historic,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(header in headers()) {
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            prop_assert_eq!(Header::decode(&bytes), Ok(header));
        }

        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..250)) {
            if let Ok(header) = Header::decode(&bytes) {
                let mut again = Vec::new();
                header.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let told = Header::decode(&[2, 1, 0, 0])
            .expect_err("later")
            .to_string();
        assert_eq!(told, "a header of format 2, this release reads format 1");
    }
}
