//! Limits as they lie in the log: what is in force decides what is stored, so everybody who reads the log must know it (docs/formats/control-record.md).

use bus::{Draft, Header, Kind, RequestHash, TopicPartition};
use bytes::Bytes;
use telemetry::{RecordTime, Tenant};

const VERSION: u16 = 1;
const LIMITS: u8 = 2;
const BYTES: usize = 20;

/// What a machine over `points` stores and what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How much older than its record a sample may be, in ms of record time.
    pub out_of_order_ms: u64,
    /// Series of a tenant in one open block, over all partitions.
    pub series_max: u32,
    /// Series of one metric, over all partitions.
    pub metric_series_max: u32,
}

impl Default for Limits {
    /// Those of a log that says nothing: the release's own, for ever.
    fn default() -> Self {
        Self {
            out_of_order_ms: 600_000,
            series_max: 1_000_000,
            metric_series_max: 200_000,
        }
    }
}

/// Why a payload is no control record of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Another release wrote it: nobody may guess what it says.
    #[error(
        "a control record of format {version}, kind {kind}: this release reads format {VERSION}, kind {LIMITS}"
    )]
    Unknown { version: u16, kind: u8 },
    /// Nobody of ours wrote it.
    #[error("{bytes} bytes are no control record")]
    Malformed { bytes: usize },
}

impl Limits {
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(BYTES);
        out.extend(VERSION.to_le_bytes());
        out.extend([LIMITS, 0]);
        out.extend(self.out_of_order_ms.to_le_bytes());
        out.extend(self.series_max.to_le_bytes());
        out.extend(self.metric_series_max.to_le_bytes());
        Bytes::from(out)
    }

    /// # Errors
    /// When the payload is malformed, or of another release.
    pub fn decode(payload: &[u8]) -> Result<Self, ControlError> {
        let malformed = ControlError::Malformed {
            bytes: payload.len(),
        };
        let (head, rest) = payload.split_first_chunk::<4>().ok_or(malformed.clone())?;
        let [v0, v1, kind, _] = *head;
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION || kind != LIMITS {
            return Err(ControlError::Unknown { version, kind });
        }
        let (out_of_order, rest) = rest.split_first_chunk().ok_or(malformed.clone())?;
        let (series, rest) = rest.split_first_chunk().ok_or(malformed.clone())?;
        let (of_metric, rest) = rest.split_first_chunk().ok_or(malformed.clone())?;
        if !rest.is_empty() {
            return Err(malformed);
        }
        Ok(Self {
            out_of_order_ms: u64::from_le_bytes(*out_of_order),
            series_max: u32::from_le_bytes(*series),
            metric_series_max: u32::from_le_bytes(*of_metric),
        })
    }

    /// Puts these limits in force in a partition.
    #[must_use]
    pub fn draft(&self, to: TopicPartition) -> Draft {
        Draft {
            to,
            header: Header {
                tenant: Tenant::default_tenant(),
                kind: Kind::Control,
                accepted_at: RecordTime::default(),
                n_items: 0,
                request_hash: RequestHash(0),
                part: 0,
                historic: false,
            },
            payload: self.encode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_and_others_are_told_apart() {
        let limits = Limits {
            out_of_order_ms: 5,
            series_max: 7,
            metric_series_max: 9,
        };
        let bytes = limits.encode();
        assert_eq!(Limits::decode(&bytes), Ok(limits));
        assert_eq!(
            Limits::decode(&bytes[..19]),
            Err(ControlError::Malformed { bytes: 19 })
        );
        let policy = [1, 0, 1, 0, 0, 0];
        let unknown = ControlError::Unknown {
            version: 1,
            kind: 1,
        };
        assert_eq!(Limits::decode(&policy), Err(unknown));
    }
}
