//! The records of a partition that are read no more: a short list, durable before it is heeded.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;

use crate::fields::Fields;
use crate::local::disk::Disk;
use crate::{Offset, Record, TopicPartition};

const MAGIC: &[u8; 4] = b"TWSK";
const VERSION: u16 = 1;
/// Records that a partition skips at most; of more the first are forgotten, and found again should they be read again.
const RECORDS_MAX: usize = 1_024;
const FILE_BYTES_MAX: u64 = 16 << 10;
/// What stands for the bytes of a skipped record: no message of protobuf, and nothing that any machine reads.
const UNREADABLE: Bytes = Bytes::from_static(&[0xff]);

/// Offsets of records that are not read, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skips(Vec<Offset>);

/// Why bytes are no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum SkipsError {
    #[error("format {found}, this release reads format {VERSION}")]
    Version { found: u16 },
    #[error("damaged")]
    Damaged,
}

impl Skips {
    /// A record as a machine may see it: a skipped one has its header, by which it is counted, and no bytes that could be read.
    #[must_use]
    pub fn seen<'a>(&self, record: &'a Record) -> Cow<'a, Record> {
        if self.0.binary_search(&record.offset).is_err() {
            return Cow::Borrowed(record);
        }
        Cow::Owned(Record {
            payload: UNREADABLE,
            ..record.clone()
        })
    }

    pub(super) fn push(&mut self, offset: Offset) {
        if let Err(at) = self.0.binary_search(&offset) {
            self.0.insert(at, offset);
        }
        let n_over = self.0.len().saturating_sub(RECORDS_MAX);
        self.0.drain(..n_over);
    }

    pub(super) fn read(disk: &Disk, of: TopicPartition) -> io::Result<Self> {
        let name = name(of);
        let Some(bytes) = disk.read_small(&name, FILE_BYTES_MAX)? else {
            return Ok(Self::default());
        };
        match Self::decode(&bytes) {
            Ok(skips) => Ok(skips),
            Err(SkipsError::Damaged) => {
                tracing::error!(
                    code = "TW4011",
                    file = disk.place_of(&name),
                    "the list of records that are not read is damaged; they are found again"
                );
                Ok(Self::default())
            }
            Err(later @ SkipsError::Version { .. }) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("{}: {later}", disk.place_of(&name)),
            )),
        }
    }

    /// Durable on return.
    pub(super) fn write(&self, disk: &Disk, of: TopicPartition) -> io::Result<()> {
        disk.replace(&name(of), &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let n_records = u16::try_from(self.0.len()).expect("at most 1,024");
        let mut out = Vec::with_capacity(12 + 8 * self.0.len());
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(n_records.to_le_bytes());
        for offset in &self.0 {
            out.extend(offset.0.to_le_bytes());
        }
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, SkipsError> {
        Self::fields(bytes).unwrap_or(Err(SkipsError::Damaged))
    }

    fn fields(bytes: &[u8]) -> Option<Result<Self, SkipsError>> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields(checked);
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) || fields.take(MAGIC.len())? != MAGIC
        {
            return None;
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Some(Err(SkipsError::Version { found: version }));
        }
        let n_records = fields.u16()?;
        let offsets: Option<Vec<Offset>> =
            (0..n_records).map(|_| fields.u64().map(Offset)).collect();
        let offsets = offsets.filter(|offsets| offsets.is_sorted() && fields.0.is_empty())?;
        Some(Ok(Self(offsets)))
    }
}

fn name(of: TopicPartition) -> String {
    format!("skips-{of}")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_are_forgotten_when_there_are_too_many() {
        let mut skips = Skips::default();
        (0..2 * RECORDS_MAX as u64).for_each(|at| skips.push(Offset(at)));
        assert_eq!(skips.0.len(), RECORDS_MAX);
        assert_eq!(skips.0.first(), Some(&Offset(RECORDS_MAX as u64)));
        assert!(skips.encode().len() as u64 <= FILE_BYTES_MAX);
    }

    #[test]
    fn a_later_version_is_refused_by_name() {
        let mut bytes = Skips::default().encode();
        bytes[4] = 2;
        let n = bytes.len() - 4;
        let crc = crc32c::crc32c(&bytes[..n]).to_le_bytes();
        bytes[n..].copy_from_slice(&crc);
        assert_eq!(Skips::decode(&bytes), Err(SkipsError::Version { found: 2 }));
    }

    proptest! {
        #[test]
        fn a_list_reads_back_what_it_writes_and_nothing_from_other_bytes(offsets in vec(any::<u64>(), 0..40), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let mut skips = Skips::default();
            offsets.into_iter().for_each(|at| skips.push(Offset(at)));
            let mut bytes = skips.encode();
            prop_assert_eq!(Skips::decode(&bytes), Ok(skips));
            let at = at.index(bytes.len());
            prop_assert_eq!(Skips::decode(&bytes[..at]), Err(SkipsError::Damaged));
            bytes[at] ^= flip;
            prop_assert_eq!(Skips::decode(&bytes), Err(SkipsError::Damaged));
        }
    }
}
