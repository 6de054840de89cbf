//! What the machine over `points` adds to a ledger entry (docs/formats/ledger.md, "Stage of `points`").

use bytes::Bytes;
use telemetry::Tenant;

use crate::block::meta::{Applied, applied, put_applied};
use crate::chunk::ChunkError;
use crate::chunk::bytes::{Reader, put_bytes, put_varint};
use crate::control::Limits;
use crate::fold::Totals;

const VERSION: u8 = 1;
const TENANT_BYTES_MAX: usize = 150;
/// Tenants of one entry at most.
const TENANTS_MAX: usize = 1 << 20;

/// The stage's part of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) limits: Limits,
    pub(crate) applied: Vec<Applied>,
    pub(crate) derived_gaps: u64,
    pub(crate) totals: Vec<(Tenant, Totals)>,
}

/// Why bytes are no stage of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StageError {
    #[error("the ledger's stage has format {found}, this release reads format {VERSION}")]
    Version { found: u8 },
    #[error("the ledger's stage: {0}")]
    Damaged(#[from] ChunkError),
}

impl Stage {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.limits.out_of_order_ms);
        put_varint(&mut out, u64::from(self.limits.series_max));
        put_varint(&mut out, u64::from(self.limits.metric_series_max));
        put_applied(&mut out, &self.applied);
        put_varint(&mut out, self.derived_gaps);
        put_varint(&mut out, self.totals.len() as u64);
        for (tenant, totals) in &self.totals {
            put_bytes(&mut out, tenant.as_str().as_bytes());
            for number in [
                totals.accepted,
                totals.stored,
                totals.duplicates,
                totals.too_old,
                totals.beyond_cap,
                totals.dead_lettered,
                totals.overflowed,
            ] {
                put_varint(&mut out, number);
            }
        }
        Bytes::from(out)
    }

    /// # Errors
    /// When the bytes are not what [`Stage::encode`] writes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StageError> {
        let mut fields = Reader(bytes);
        let found = fields.u8()?;
        if found != VERSION {
            return Err(StageError::Version { found });
        }
        let limits = Limits {
            out_of_order_ms: fields.varint()?,
            series_max: fields.count(u32::MAX as usize)? as u32,
            metric_series_max: fields.count(u32::MAX as usize)? as u32,
        };
        let applied = applied(&mut fields)?;
        let derived_gaps = fields.varint()?;
        let mut totals = Vec::new();
        for _ in 0..fields.count(TENANTS_MAX)? {
            let tenant = fields.text(TENANT_BYTES_MAX)?;
            let tenant = tenant
                .parse()
                .map_err(|_| ChunkError("an invalid tenant"))?;
            let of_tenant = Totals {
                accepted: fields.varint()?,
                stored: fields.varint()?,
                duplicates: fields.varint()?,
                too_old: fields.varint()?,
                beyond_cap: fields.varint()?,
                dead_lettered: fields.varint()?,
                overflowed: fields.varint()?,
            };
            totals.push((tenant, of_tenant));
        }
        if fields.is_empty() {
            Ok(Self {
                limits,
                applied,
                derived_gaps,
                totals,
            })
        } else {
            Err(ChunkError("bytes behind it").into())
        }
    }
}

#[cfg(test)]
mod tests {
    use telemetry::RecordTime;

    use super::*;

    #[test]
    fn a_stage_reads_back_and_a_cut_one_is_refused() {
        let stage = Stage {
            limits: Limits::default(),
            applied: vec![Applied {
                source_partition: 2,
                end: 99,
                n_parts: 1,
                complete_to: RecordTime { unix_ms: -1 },
            }],
            derived_gaps: 3,
            totals: vec![(
                Tenant::default_tenant(),
                Totals {
                    accepted: u64::MAX,
                    stored: 1,
                    duplicates: 2,
                    too_old: 3,
                    beyond_cap: 4,
                    dead_lettered: 5,
                    overflowed: 6,
                },
            )],
        };
        let bytes = stage.encode();
        assert_eq!(Stage::decode(&bytes), Ok(stage));
        for len in 0..bytes.len() {
            assert!(Stage::decode(&bytes[..len]).is_err(), "{len}");
        }
        assert_eq!(Stage::decode(&[9]), Err(StageError::Version { found: 9 }));
    }
}
