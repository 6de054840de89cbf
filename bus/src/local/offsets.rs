//! Commits of the local log: a small table, written whole in turn to two files (docs/formats/offsets.md).

use std::collections::BTreeMap;
use std::io;

use parking_lot::Mutex;

use super::disk::Disk;
use super::frame::{topic_number, topic_of};
use super::segment::BASE_MAX;
use crate::fields::Fields;
use crate::{Commit, Offset, Partition, TopicPartition};

const MAGIC: &[u8; 8] = b"TWLOGOFF";
const VERSION: u16 = 1;
const FILES: [&str; 2] = ["offsets-a", "offsets-b"];
/// Most entries of the table.
const ENTRIES_MAX: u32 = 4_096;
const FILE_BYTES_MAX: u64 = 128 << 10;

/// What was committed, in memory and on the disk.
#[derive(Debug)]
pub(crate) struct Offsets {
    disk: Disk,
    table: Mutex<Table>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    generation: u64,
    commits: BTreeMap<TopicPartition, Commit>,
}

/// Why a file of commits is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OffsetsError {
    #[error("format {found}, this release reads format {VERSION}")]
    Version { found: u16 },
    #[error("damaged")]
    Damaged,
}

impl Offsets {
    /// Reads both files; the newer valid one counts. Returns the names of the damaged ones too.
    ///
    /// # Errors
    /// When a file cannot be read, or is of a later version.
    pub(crate) fn open(disk: Disk) -> io::Result<(Self, Vec<&'static str>)> {
        let mut newest = Table::default();
        let mut damaged = Vec::new();
        for name in FILES {
            let Some(bytes) = disk.read_small(name, FILE_BYTES_MAX)? else {
                continue;
            };
            match Table::decode(&bytes) {
                Ok(table) if table.generation >= newest.generation => newest = table,
                Ok(_) => {}
                Err(OffsetsError::Damaged) => damaged.push(name),
                Err(later @ OffsetsError::Version { .. }) => {
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        format!("{name}: {later}"),
                    ));
                }
            }
        }
        let table = Mutex::new(newest);
        Ok((Self { disk, table }, damaged))
    }

    pub(crate) fn committed(&self, of: TopicPartition) -> Option<Commit> {
        self.table.lock().commits.get(&of).copied()
    }

    /// One above every address that was ever committed.
    pub(crate) fn past_all(&self) -> u64 {
        let table = self.table.lock();
        let past = |commit: &Commit| commit.offset.max(commit.end_offset).0.saturating_add(1);
        table.commits.values().map(past).max().unwrap_or(0)
    }

    /// Durable on return.
    pub(crate) fn commit(&self, of: TopicPartition, commit: Commit) -> io::Result<()> {
        let highest = commit.offset.max(commit.end_offset).0;
        if highest > BASE_MAX {
            return Err(io::Error::other(format!(
                "{highest} is no offset of a local log"
            )));
        }
        let mut table = self.table.lock();
        let mut next = table.clone();
        next.generation += 1;
        next.commits.insert(of, commit);
        let name = if next.generation.is_multiple_of(2) {
            FILES[0]
        } else {
            FILES[1]
        };
        self.disk.replace(name, &next.encode())?;
        *table = next;
        Ok(())
    }
}

impl Table {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0; 2]);
        out.extend((self.commits.len() as u32).to_le_bytes());
        out.extend(self.generation.to_le_bytes());
        for (of, commit) in &self.commits {
            out.extend([topic_number(of.topic), 0, 0, 0]);
            out.extend(of.partition.0.to_le_bytes());
            out.extend(commit.offset.0.to_le_bytes());
            out.extend(commit.end_offset.0.to_le_bytes());
        }
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, OffsetsError> {
        Self::fields(bytes).unwrap_or(Err(OffsetsError::Damaged))
    }

    fn fields(bytes: &[u8]) -> Option<Result<Self, OffsetsError>> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(checked) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = Fields(checked);
        if fields.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Some(Err(OffsetsError::Version { found: version }));
        }
        fields.take(2)?;
        let n_entries = fields.u32().filter(|n| *n <= ENTRIES_MAX)?;
        let generation = fields.u64()?;
        let mut commits = BTreeMap::new();
        for _ in 0..n_entries {
            let topic = topic_of(fields.u8()?)?;
            fields.take(3)?;
            let partition = Partition(fields.u32()?);
            let offset = Offset(fields.u64().filter(|offset| *offset <= BASE_MAX)?);
            let end_offset = Offset(fields.u64().filter(|offset| *offset <= BASE_MAX)?);
            commits.insert(
                TopicPartition { topic, partition },
                Commit { offset, end_offset },
            );
        }
        fields.0.is_empty().then_some(Ok(Self {
            generation,
            commits,
        }))
    }
}
