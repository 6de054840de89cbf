//! What a shard adds to a ledger entry, and its bytes (docs/formats/ledger.md, "Stage of `spans`").

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Offset;
use bytes::Bytes;
use telemetry::{ShardTime, Tenant, TraceId};
use trace_store::Sampling;

use super::epoch::Totals;
use crate::policy::{Bucket, BucketKey};

mod fields;

use fields::{Fields, put_text};

const VERSION: u16 = 1;
const CEILING: u32 = 1 << 31;
const P_UNKNOWN: u8 = 1;
const P_ESTIMATED: u8 = 2;

/// The stage's part of an entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StageEntry {
    /// Policies needed from here on, by revision; the one in force is the last.
    pub policies: Vec<(u64, Arc<str>)>,
    pub begun: Vec<Begun>,
    pub decided: Vec<DecidedTrace>,
    pub buckets: Vec<(BucketKey, Bucket)>,
    pub totals: Vec<(Tenant, Totals)>,
}

/// A trace that began in the epoch and is open at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    pub tenant: Tenant,
    pub id: TraceId,
    pub first_offset: Offset,
    pub first_at: ShardTime,
    pub revision: u64,
}

/// A trace that was decided in the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedTrace {
    pub tenant: Tenant,
    pub id: TraceId,
    pub at: ShardTime,
    /// None if it was dropped.
    pub kept: Option<Sampling>,
}

/// Why bytes are no stage of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    #[error("the ledger's stage has format {found}, this release reads format {VERSION}")]
    Version { found: u16 },
    #[error("the ledger's stage is cut short or too long")]
    Length,
    #[error("the ledger's stage names something that it does not list")]
    Unlisted,
    #[error("the ledger's stage has an invalid tenant, verdict or flag")]
    Value,
}

/// Numbers texts in order of first use.
#[derive(Debug)]
struct Numbers<T>(BTreeMap<T, u32>, Vec<T>);

impl<T: Ord + Clone> Numbers<T> {
    fn new() -> Self {
        Self(BTreeMap::new(), Vec::new())
    }

    fn of(&mut self, thing: &T) -> u32 {
        if let Some(number) = self.0.get(thing) {
            return *number;
        }
        let number = count(self.1.len());
        self.0.insert(thing.clone(), number);
        self.1.push(thing.clone());
        number
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("an epoch has fewer than 2^32 of anything")
}

impl StageEntry {
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (mut tenants, mut rules) = (Numbers::new(), Numbers::new());
        let body = self.encode_body(&mut tenants, &mut rules);
        let mut out = Vec::with_capacity(body.len() + 256);
        out.extend(VERSION.to_le_bytes());
        out.extend(count(tenants.1.len()).to_le_bytes());
        for tenant in &tenants.1 {
            put_text(&mut out, tenant.as_str());
        }
        out.extend(count(rules.1.len()).to_le_bytes());
        for rule in &rules.1 {
            put_text(&mut out, rule);
        }
        out.extend(body);
        Bytes::from(out)
    }

    fn encode_body(&self, tenants: &mut Numbers<Tenant>, rules: &mut Numbers<Arc<str>>) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(count(self.policies.len()).to_le_bytes());
        for (revision, text) in &self.policies {
            out.extend(revision.to_le_bytes());
            out.extend(count(text.len()).to_le_bytes());
            out.extend(text.as_bytes());
        }
        out.extend(count(self.begun.len()).to_le_bytes());
        for begun in &self.begun {
            out.extend(tenants.of(&begun.tenant).to_le_bytes());
            out.extend(begun.id.0);
            for number in [begun.first_offset.0, begun.first_at.ms, begun.revision] {
                out.extend(number.to_le_bytes());
            }
        }
        out.extend(count(self.decided.len()).to_le_bytes());
        for decided in &self.decided {
            out.extend(tenants.of(&decided.tenant).to_le_bytes());
            out.extend(decided.id.0);
            out.extend(decided.at.ms.to_le_bytes());
            out.push(u8::from(decided.kept.is_some()));
            if let Some(kept) = &decided.kept {
                out.extend(rules.of(&kept.rule).to_le_bytes());
                out.extend(kept.threshold.to_le_bytes());
                out.extend(kept.threshold_in.to_le_bytes());
                out.push(
                    u8::from(kept.p_unknown) * P_UNKNOWN + u8::from(kept.p_estimated) * P_ESTIMATED,
                );
            }
        }
        out.extend(count(self.buckets.len()).to_le_bytes());
        for (key, bucket) in &self.buckets {
            out.extend(key.revision.to_le_bytes());
            out.extend(tenants.of(&key.tenant).to_le_bytes());
            out.extend((key.rule | (u32::from(key.ceiling) * CEILING)).to_le_bytes());
            out.extend(bucket.tokens.to_bits().to_le_bytes());
            out.extend(bucket.at.ms.to_le_bytes());
        }
        out.extend(count(self.totals.len()).to_le_bytes());
        for (tenant, t) in &self.totals {
            out.extend(tenants.of(tenant).to_le_bytes());
            for number in [
                t.accepted,
                t.stored,
                t.sampled_out,
                t.dead_lettered,
                t.duplicates,
                t.lost,
            ] {
                out.extend(number.to_le_bytes());
            }
        }
        out
    }

    /// Reads a stage.
    ///
    /// # Errors
    /// When the bytes are not what [`StageEntry::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut fields = Fields(bytes);
        let version = fields.u16()?;
        if version != VERSION {
            return Err(StateError::Version { found: version });
        }
        let tenants: Vec<Tenant> =
            fields.list(|f| f.text()?.parse().map_err(|_| StateError::Value))?;
        let rules: Vec<Arc<str>> = fields.list(|f| f.text().map(Arc::from))?;
        let tenant = |f: &mut Fields<'_>| listed(&tenants, f.u32()?);
        let entry = Self {
            policies: fields.list(|f| Ok((f.u64()?, f.long_text()?.into())))?,
            begun: fields.list(|f| {
                Ok(Begun {
                    tenant: tenant(f)?,
                    id: TraceId(f.array()?),
                    first_offset: Offset(f.u64()?),
                    first_at: ShardTime { ms: f.u64()? },
                    revision: f.u64()?,
                })
            })?,
            decided: fields.list(|f| {
                let (tenant, id, at) =
                    (tenant(f)?, TraceId(f.array()?), ShardTime { ms: f.u64()? });
                Ok(DecidedTrace {
                    tenant,
                    id,
                    at,
                    kept: kept(f, &rules)?,
                })
            })?,
            buckets: fields.list(|f| {
                let (revision, tenant, place) = (f.u64()?, tenant(f)?, f.u32()?);
                let (rule, ceiling) = (place & !CEILING, place & CEILING != 0);
                let bucket = Bucket {
                    tokens: f64::from_bits(f.u64()?),
                    at: ShardTime { ms: f.u64()? },
                };
                Ok((
                    BucketKey {
                        revision,
                        tenant,
                        rule,
                        ceiling,
                    },
                    bucket,
                ))
            })?,
            totals: fields.list(|f| {
                let tenant = tenant(f)?;
                let [accepted, stored, sampled_out] = [f.u64()?, f.u64()?, f.u64()?];
                let [dead_lettered, duplicates, lost] = [f.u64()?, f.u64()?, f.u64()?];
                Ok((
                    tenant,
                    Totals {
                        accepted,
                        stored,
                        sampled_out,
                        dead_lettered,
                        duplicates,
                        lost,
                    },
                ))
            })?,
        };
        if fields.0.is_empty() {
            Ok(entry)
        } else {
            Err(StateError::Length)
        }
    }
}

fn listed<T: Clone>(all: &[T], number: u32) -> Result<T, StateError> {
    all.get(number as usize)
        .cloned()
        .ok_or(StateError::Unlisted)
}

fn kept(fields: &mut Fields<'_>, rules: &[Arc<str>]) -> Result<Option<Sampling>, StateError> {
    match fields.u8()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(StateError::Value),
    }
    let (rule, threshold, threshold_in) =
        (listed(rules, fields.u32()?)?, fields.u64()?, fields.u64()?);
    let flags = fields.u8()?;
    if flags > P_UNKNOWN + P_ESTIMATED {
        return Err(StateError::Value);
    }
    let (p_unknown, p_estimated) = (flags & P_UNKNOWN != 0, flags & P_ESTIMATED != 0);
    Ok(Some(Sampling {
        rule,
        threshold,
        threshold_in,
        p_unknown,
        p_estimated,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn tenants() -> impl Strategy<Value = Tenant> {
        "[a-z]{1,3}".prop_map(|name| name.parse().expect("a tenant"))
    }

    fn samplings() -> impl Strategy<Value = Sampling> {
        ("[a-z]{1,2}", any::<[u64; 2]>(), any::<[bool; 2]>()).prop_map(
            |(rule, [t, t_in], [unknown, estimated])| Sampling {
                rule: rule.into(),
                threshold: t,
                threshold_in: t_in,
                p_unknown: unknown,
                p_estimated: estimated,
            },
        )
    }

    fn stages() -> impl Strategy<Value = StageEntry> {
        let policies = vec((any::<u64>(), "[ -~]{0,40}".prop_map(Arc::from)), 0..3);
        let begun = (tenants(), any::<[u8; 16]>(), any::<[u64; 3]>()).prop_map(
            |(tenant, id, [offset, at, revision])| Begun {
                tenant,
                id: TraceId(id),
                first_offset: Offset(offset),
                first_at: ShardTime { ms: at },
                revision,
            },
        );
        let decided = (
            tenants(),
            any::<[u8; 16]>(),
            any::<u64>(),
            prop::option::of(samplings()),
        )
            .prop_map(|(tenant, id, at, kept)| DecidedTrace {
                tenant,
                id: TraceId(id),
                at: ShardTime { ms: at },
                kept,
            });
        let bucket = (
            tenants(),
            any::<u64>(),
            0..1u32 << 31,
            any::<bool>(),
            -1e9..1e9,
            any::<u64>(),
        )
            .prop_map(|(tenant, revision, rule, ceiling, tokens, at)| {
                (
                    BucketKey {
                        revision,
                        tenant,
                        rule,
                        ceiling,
                    },
                    Bucket {
                        tokens,
                        at: ShardTime { ms: at },
                    },
                )
            });
        let totals = (tenants(), any::<[u64; 6]>()).prop_map(
            |(
                tenant,
                [
                    accepted,
                    stored,
                    sampled_out,
                    dead_lettered,
                    duplicates,
                    lost,
                ],
            )| {
                (
                    tenant,
                    Totals {
                        accepted,
                        stored,
                        sampled_out,
                        dead_lettered,
                        duplicates,
                        lost,
                    },
                )
            },
        );
        (
            policies,
            vec(begun, 0..6),
            vec(decided, 0..6),
            vec(bucket, 0..4),
            vec(totals, 0..4),
        )
            .prop_map(|(policies, begun, decided, buckets, totals)| StageEntry {
                policies,
                begun,
                decided,
                buckets,
                totals,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_stage_reads_back_what_it_writes(stage in stages(), cut in any::<prop::sample::Index>()) {
            let bytes = stage.encode();
            prop_assert_eq!(StageEntry::decode(&bytes), Ok(stage));
            prop_assert!(StageEntry::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_do_no_harm(mut bytes in vec(any::<u8>(), 2..300)) {
            bytes[0] = 1;
            bytes[1] = 0;
            if let Ok(stage) = StageEntry::decode(&bytes) {
                prop_assert_eq!(StageEntry::decode(&stage.encode()), Ok(stage));
            }
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        assert_eq!(
            StageEntry::decode(&[9, 0]),
            Err(StateError::Version { found: 9 })
        );
    }
}
