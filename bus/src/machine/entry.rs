//! The bytes of a ledger entry (docs/formats/ledger.md).

use bytes::Bytes;
use telemetry::{RecordTime, ShardClock, ShardTime};
use xxhash_rust::xxh3::xxh3_64;

use super::seen::RequestKey;
use crate::Offset;
use crate::fields::Fields;

const MAGIC: &[u8; 8] = b"TWLEDGER";
const VERSION: u16 = 1;
const HAS_RECORD_TIME: u16 = 1;
const LINK_BYTES: usize = 16;
const SEEN_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 8;

/// What one epoch adds to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub end_offset: Offset,
    /// W: where reading begins to rebuild what was open.
    pub first_offset: Offset,
    /// The second that ended the epoch.
    pub sealed_at: ShardTime,
    /// The clock before the record that closed the epoch.
    pub clock: ShardClock,
    /// What was remembered from before it is forgotten.
    pub horizon: ShardTime,
    /// The epochs whose entries are needed, ascending, this one last.
    pub chain: Vec<Link>,
    /// Records first seen in this epoch, ascending.
    pub seen: Vec<SeenRecord>,
    /// What the stage remembers.
    pub stage: Bytes,
}

/// An epoch whose entry is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub end_offset: Offset,
    pub sealed_at: ShardTime,
}

/// A record that was folded when it was seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenRecord {
    pub key: RequestKey,
    pub offset: Offset,
    pub at: ShardTime,
}

/// Why bytes are no ledger entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error("a ledger entry of format {found}, this release reads format {VERSION}")]
    Version { found: u16 },
    #[error("not a ledger entry")]
    Magic,
    #[error("{bytes} bytes are not what the entry's own counts say")]
    Length { bytes: usize },
    #[error("a wrong checksum")]
    Checksum,
    #[error("reserved bits are set")]
    Reserved,
}

impl LedgerEntry {
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let n = |len: usize| u32::try_from(len).expect("an epoch has fewer than 2^32 of anything");
        let has_t = if self.clock.last.is_some() {
            HAS_RECORD_TIME
        } else {
            0
        };
        let t = self.clock.last.map_or(0, |t| t.unix_ms);
        let mut out = Vec::with_capacity(
            80 + self.chain.len() * LINK_BYTES
                + self.seen.len() * SEEN_BYTES
                + self.stage.len()
                + CHECKSUM_BYTES,
        );
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(has_t.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.clock.now.ms.to_le_bytes());
        out.extend(t.to_le_bytes());
        for number in [
            self.sealed_at.ms,
            self.horizon.ms,
            self.end_offset.0,
            self.first_offset.0,
        ] {
            out.extend(number.to_le_bytes());
        }
        for count in [
            n(self.chain.len()),
            n(self.seen.len()),
            n(self.stage.len()),
            0,
        ] {
            out.extend(count.to_le_bytes());
        }
        for link in &self.chain {
            out.extend(link.end_offset.0.to_le_bytes());
            out.extend(link.sealed_at.ms.to_le_bytes());
        }
        for seen in &self.seen {
            out.extend(seen.key.0.to_le_bytes());
            out.extend(seen.offset.0.to_le_bytes());
            out.extend(seen.at.ms.to_le_bytes());
        }
        out.extend(&self.stage);
        out.extend(xxh3_64(&out).to_le_bytes());
        Bytes::from(out)
    }

    /// Reads a whole entry.
    ///
    /// # Errors
    /// When the bytes are not what [`LedgerEntry::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let short = EntryError::Length { bytes: bytes.len() };
        let (body, checksum) = bytes.split_last_chunk().ok_or(short)?;
        if body.get(..8) != Some(MAGIC) {
            return Err(EntryError::Magic);
        }
        let mut fields = Fields(body.get(8..).ok_or(short)?);
        let version = fields.u16().ok_or(short)?;
        if version != VERSION {
            return Err(EntryError::Version { found: version });
        }
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(EntryError::Checksum);
        }
        decode_body(fields).ok_or(short)?
    }
}

/// What follows the version. `None` when there are too few or too many bytes.
fn decode_body(mut fields: Fields<'_>) -> Option<Result<LedgerEntry, EntryError>> {
    let flags = fields.u16()?;
    let zero = fields.u32()?;
    let now = ShardTime { ms: fields.u64()? };
    let unix_ms = fields.i64()?;
    let sealed_at = ShardTime { ms: fields.u64()? };
    let horizon = ShardTime { ms: fields.u64()? };
    let end_offset = Offset(fields.u64()?);
    let first_offset = Offset(fields.u64()?);
    let n_links = fields.u32()? as usize;
    let n_seen = fields.u32()? as usize;
    let n_stage_bytes = fields.u32()? as usize;
    let has_t = flags == HAS_RECORD_TIME;
    let reserved = zero | fields.u32()?;
    let mut links = Fields(fields.take(n_links.checked_mul(LINK_BYTES)?)?);
    let mut seen_records = Fields(fields.take(n_seen.checked_mul(SEEN_BYTES)?)?);
    let stage = Bytes::copy_from_slice(fields.take(n_stage_bytes)?);
    if !fields.0.is_empty() {
        return None;
    }
    if reserved != 0 || flags > HAS_RECORD_TIME || (!has_t && unix_ms != 0) {
        return Some(Err(EntryError::Reserved));
    }
    let mut chain = Vec::with_capacity(n_links);
    for _ in 0..n_links {
        chain.push(Link {
            end_offset: Offset(links.u64()?),
            sealed_at: ShardTime { ms: links.u64()? },
        });
    }
    let mut seen = Vec::with_capacity(n_seen);
    for _ in 0..n_seen {
        seen.push(SeenRecord {
            key: RequestKey(seen_records.u128()?),
            offset: Offset(seen_records.u64()?),
            at: ShardTime {
                ms: seen_records.u64()?,
            },
        });
    }
    Some(Ok(LedgerEntry {
        end_offset,
        first_offset,
        sealed_at,
        clock: ShardClock {
            now,
            last: has_t.then_some(RecordTime { unix_ms }),
        },
        horizon,
        chain,
        seen,
        stage,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = LedgerEntry> {
        let numbers = any::<[u64; 5]>();
        let links = vec(any::<[u64; 2]>(), 0..40);
        let seen = vec((any::<u128>(), any::<u64>(), any::<u64>()), 0..40);
        (
            numbers,
            any::<Option<i64>>(),
            links,
            seen,
            vec(any::<u8>(), 0..200),
        )
            .prop_map(|([end, w, sealed, now, horizon], t, links, seen, stage)| {
                LedgerEntry {
                    end_offset: Offset(end),
                    first_offset: Offset(w),
                    sealed_at: ShardTime { ms: sealed },
                    clock: ShardClock {
                        now: ShardTime { ms: now },
                        last: t.map(|unix_ms| RecordTime { unix_ms }),
                    },
                    horizon: ShardTime { ms: horizon },
                    chain: links
                        .into_iter()
                        .map(|[end, at]| Link {
                            end_offset: Offset(end),
                            sealed_at: ShardTime { ms: at },
                        })
                        .collect(),
                    seen: seen
                        .into_iter()
                        .map(|(key, offset, at)| SeenRecord {
                            key: RequestKey(key),
                            offset: Offset(offset),
                            at: ShardTime { ms: at },
                        })
                        .collect(),
                    stage: Bytes::from(stage),
                }
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn an_entry_reads_back_what_it_writes(entry in entries()) {
            prop_assert_eq!(LedgerEntry::decode(&entry.encode()), Ok(entry));
        }

        #[test]
        fn a_changed_or_cut_entry_is_refused(entry in entries(), at in any::<prop::sample::Index>(), flip in 1..=255u8, cut in any::<prop::sample::Index>()) {
            let bytes = entry.encode();
            let mut changed = bytes.to_vec();
            changed[at.index(bytes.len())] ^= flip;
            prop_assert!(LedgerEntry::decode(&changed).is_err());
            prop_assert!(LedgerEntry::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_behind_a_right_checksum_do_no_harm(mut body in vec(any::<u8>(), 0..300)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(VERSION.to_le_bytes());
            bytes.append(&mut body);
            bytes.extend(xxh3_64(&bytes).to_le_bytes());
            if let Ok(entry) = LedgerEntry::decode(&bytes) {
                prop_assert_eq!(entry.encode(), bytes);
            }
        }
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            LedgerEntry::decode(&bytes),
            Err(EntryError::Version { found: 2 })
        );
        assert_eq!(
            LedgerEntry::decode(b"short"),
            Err(EntryError::Length { bytes: 5 })
        );
        assert_eq!(LedgerEntry::decode(&[0; 100]), Err(EntryError::Magic));
    }
}
