//! Control records: changes of what a shard does, as they lie in the log (docs/formats/control-record.md).

use bus::{Draft, Header, Kind, RequestHash, TopicPartition};
use bytes::Bytes;
use telemetry::{RecordTime, Tenant};

use crate::policy::TEXT_BYTES_MAX;

const VERSION: u16 = 1;
const POLICY: u8 = 1;
/// Bytes before the text.
const HEAD_BYTES: usize = 16;

/// What a control record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control<'a> {
    Policy { revision: u64, text: &'a str },
}

/// Why a payload is no control record of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Another release wrote it: nobody may guess what it says.
    #[error(
        "a control record of format {version}, kind {kind}: this release reads format {VERSION}, kind {POLICY}"
    )]
    Unknown { version: u16, kind: u8 },
    /// Nobody of ours wrote it.
    #[error("{bytes} bytes are no control record")]
    Malformed { bytes: usize },
}

impl<'a> Control<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// When it is malformed, or of another release.
    pub fn decode(payload: &'a [u8]) -> Result<Self, ControlError> {
        let malformed = ControlError::Malformed {
            bytes: payload.len(),
        };
        let (head, text) = payload
            .split_first_chunk::<HEAD_BYTES>()
            .ok_or(malformed.clone())?;
        let [
            v0,
            v1,
            kind,
            _,
            r0,
            r1,
            r2,
            r3,
            r4,
            r5,
            r6,
            r7,
            l0,
            l1,
            l2,
            l3,
        ] = *head;
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION || kind != POLICY {
            return Err(ControlError::Unknown { version, kind });
        }
        let revision = u64::from_le_bytes([r0, r1, r2, r3, r4, r5, r6, r7]);
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let text = str::from_utf8(text)
            .ok()
            .filter(|text| text.len() == len && len <= TEXT_BYTES_MAX);
        Ok(Self::Policy {
            revision,
            text: text.ok_or(malformed)?,
        })
    }

    #[must_use]
    pub fn encode(&self) -> Bytes {
        let Self::Policy { revision, text } = self;
        let mut out = Vec::with_capacity(HEAD_BYTES + text.len());
        out.extend(VERSION.to_le_bytes());
        out.extend([POLICY, 0]);
        out.extend(revision.to_le_bytes());
        out.extend(
            u32::try_from(text.len())
                .expect("a policy has at most 256 KiB")
                .to_le_bytes(),
        );
        out.extend(text.as_bytes());
        Bytes::from(out)
    }

    /// The record that says it to a partition.
    #[must_use]
    pub fn draft(&self, to: TopicPartition) -> Draft {
        let header = Header {
            tenant: Tenant::default_tenant(),
            kind: Kind::Control,
            accepted_at: RecordTime::default(),
            n_items: 0,
            request_hash: RequestHash(0),
            part: 0,
            historic: false,
        };
        Draft {
            to,
            header,
            payload: self.encode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_back_what_it_writes_and_nothing_else_is_guessed() {
        let policy = Control::Policy {
            revision: 7,
            text: "unmatched = \"keep\"",
        };
        let bytes = policy.encode();
        assert_eq!(Control::decode(&bytes), Ok(policy));
        for n in 0..bytes.len() {
            assert_eq!(
                Control::decode(&bytes[..n]),
                Err(ControlError::Malformed { bytes: n })
            );
        }
        let mut other = bytes.to_vec();
        other[0] = 2;
        assert_eq!(
            Control::decode(&other),
            Err(ControlError::Unknown {
                version: 2,
                kind: 1
            })
        );
        other[0] = 1;
        other[2] = 9;
        assert_eq!(
            Control::decode(&other),
            Err(ControlError::Unknown {
                version: 1,
                kind: 9
            })
        );
    }
}
