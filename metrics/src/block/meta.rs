//! What the catalog keeps of a block.

use bytes::Bytes;
use telemetry::RecordTime;

use crate::chunk::ChunkError;
use crate::chunk::bytes::{Reader, put_bytes, put_varint, put_zigzag};

const VERSION: u8 = 1;
/// Partitions of `spans` in an applied set at most.
pub const APPLIED_MAX: usize = 4_096;
/// Inputs that one merge lists at most.
pub const INPUTS_MAX: usize = 512;
const ID_BYTES_MAX: usize = 200;

/// Facts of a block that need not be opened for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    pub level: u8,
    /// Partition of `points`.
    pub partition: u32,
    /// Offsets [first, end) that it was made from.
    pub first_offset: u64,
    pub end_offset: u64,
    /// Record time of the first and the last seal in it.
    pub sealed_first: RecordTime,
    pub sealed_last: RecordTime,
    /// Least and greatest time of a point; 0 and -1 if there is none.
    pub time_min_unix_ms: i64,
    pub time_max_unix_ms: i64,
    pub n_series: u64,
    pub n_points: u64,
    pub written_at_unix_ms: i64,
    pub generation: u64,
    /// Derived records that are in it and all blocks before, by partition of `spans`.
    pub applied: Vec<Applied>,
    /// Ids of the blocks that it was made from, and of those that they list.
    pub inputs: Vec<String>,
}

/// Up to where the derived records of one partition of `spans` are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    pub source_partition: u32,
    /// End offset of the newest epoch of which anything is applied.
    pub end: u64,
    /// Parts of it that are applied.
    pub n_parts: u32,
    /// Record time that whole epochs are complete to.
    pub complete_to: RecordTime,
}

impl Meta {
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION, self.level];
        put_varint(&mut out, u64::from(self.partition));
        put_varint(&mut out, self.first_offset);
        put_varint(&mut out, self.end_offset);
        put_range(
            &mut out,
            self.sealed_first.unix_ms,
            self.sealed_last.unix_ms,
        );
        put_range(&mut out, self.time_min_unix_ms, self.time_max_unix_ms);
        put_varint(&mut out, self.n_series);
        put_varint(&mut out, self.n_points);
        put_zigzag(&mut out, self.written_at_unix_ms);
        put_varint(&mut out, self.generation);
        put_applied(&mut out, &self.applied);
        put_varint(&mut out, self.inputs.len() as u64);
        for input in &self.inputs {
            put_bytes(&mut out, input.as_bytes());
        }
        Bytes::from(out)
    }

    /// # Errors
    /// When the bytes are not what [`Meta::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChunkError> {
        let mut fields = Reader(bytes);
        if fields.u8()? != VERSION {
            return Err(ChunkError("its catalog entry has another version"));
        }
        let level = fields.u8()?;
        let partition =
            u32::try_from(fields.varint()?).map_err(|_| ChunkError("a partition over 32 bits"))?;
        let (first_offset, end_offset) = (fields.varint()?, fields.varint()?);
        let (first, last) = range(&mut fields)?;
        let (time_min_unix_ms, time_max_unix_ms) = range(&mut fields)?;
        let meta = Self {
            level,
            partition,
            first_offset,
            end_offset,
            sealed_first: RecordTime { unix_ms: first },
            sealed_last: RecordTime { unix_ms: last },
            time_min_unix_ms,
            time_max_unix_ms,
            n_series: fields.varint()?,
            n_points: fields.varint()?,
            written_at_unix_ms: fields.zigzag()?,
            generation: fields.varint()?,
            applied: applied(&mut fields)?,
            inputs: inputs(&mut fields)?,
        };
        if fields.is_empty() {
            Ok(meta)
        } else {
            Err(ChunkError("bytes behind the catalog entry"))
        }
    }
}

fn put_range(out: &mut Vec<u8>, first: i64, last: i64) {
    put_zigzag(out, first);
    put_varint(out, last.wrapping_sub(first) as u64);
}

fn range(fields: &mut Reader<'_>) -> Result<(i64, i64), ChunkError> {
    let first = fields.zigzag()?;
    Ok((first, first.wrapping_add(fields.varint()? as i64)))
}

/// Appends an applied set; the ledger has it as well.
pub(crate) fn put_applied(out: &mut Vec<u8>, applied: &[Applied]) {
    put_varint(out, applied.len() as u64);
    for one in applied {
        put_varint(out, u64::from(one.source_partition));
        put_varint(out, one.end);
        put_varint(out, u64::from(one.n_parts));
        put_zigzag(out, one.complete_to.unix_ms);
    }
}

pub(crate) fn applied(fields: &mut Reader<'_>) -> Result<Vec<Applied>, ChunkError> {
    let mut all = Vec::new();
    let narrow = |number: u64| {
        u32::try_from(number).map_err(|_| ChunkError("a partition or part over 32 bits"))
    };
    for _ in 0..fields.count(APPLIED_MAX)? {
        all.push(Applied {
            source_partition: narrow(fields.varint()?)?,
            end: fields.varint()?,
            n_parts: narrow(fields.varint()?)?,
            complete_to: RecordTime {
                unix_ms: fields.zigzag()?,
            },
        });
    }
    Ok(all)
}

fn inputs(fields: &mut Reader<'_>) -> Result<Vec<String>, ChunkError> {
    let mut all = Vec::new();
    for _ in 0..fields.count(INPUTS_MAX)? {
        all.push(fields.text(ID_BYTES_MAX)?.to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_reads_back_and_a_cut_one_is_refused() {
        let meta = Meta {
            level: 1,
            partition: 3,
            first_offset: 5,
            end_offset: u64::MAX,
            sealed_first: RecordTime { unix_ms: -5 },
            sealed_last: RecordTime { unix_ms: 1 << 50 },
            time_min_unix_ms: 0,
            time_max_unix_ms: -1,
            n_series: 7,
            n_points: 9,
            written_at_unix_ms: 11,
            generation: 2,
            applied: vec![Applied {
                source_partition: 1,
                end: 77,
                n_parts: 2,
                complete_to: RecordTime { unix_ms: 99 },
            }],
            inputs: vec!["s.00003.00000000000000000005".to_owned()],
        };
        let bytes = meta.encode();
        assert_eq!(Meta::decode(&bytes), Ok(meta));
        for len in 0..bytes.len() {
            assert!(Meta::decode(&bytes[..len]).is_err(), "{len}");
        }
    }
}
