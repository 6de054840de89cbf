//! What a process was at when it died, so that the next one finds the record that killed it and reads it no more (docs/formats/attempts.md).
//!
//! In: the records that are about to be applied. Out: those that are to be applied one by one, and those whose bytes are not to be looked at. Two deaths
//! at one record condemn it; a death among many only says where to go slowly. Marks are written, not synced: they cost a system call a batch.

mod mark;
mod skips;

use std::io;

use crate::local::disk::{Disk, DiskFile};
use crate::{Offset, Record, TopicPartition};
use mark::{Mark, Range};

pub use skips::Skips;

/// Where the attempts at a log are noted. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Attempts(Option<Disk>);

/// One owner's way through a partition. Dropped in peace it leaves no trace.
#[derive(Debug)]
pub struct Attempt {
    of: TopicPartition,
    file: Option<DiskFile>,
    mark: Mark,
    skips: Skips,
    /// What it is at is to be found by the next.
    died: bool,
}

impl Attempts {
    /// Noted in the folder of a log.
    #[must_use]
    pub fn on(disk: Disk) -> Self {
        Self(Some(disk))
    }

    /// Records of a partition whose bytes are not to be looked at.
    ///
    /// # Errors
    /// When the list cannot be read or is of a later version.
    pub fn skips(&self, of: TopicPartition) -> io::Result<Skips> {
        match &self.0 {
            Some(disk) => Skips::read(disk, of),
            None => Ok(Skips::default()),
        }
    }

    /// Begins to apply records of a partition. What the last one left behind is judged here.
    ///
    /// # Errors
    /// When the notes can be neither read nor made.
    pub fn begin(&self, of: TopicPartition) -> io::Result<Attempt> {
        let mut attempt = Attempt {
            of,
            file: None,
            mark: Mark::default(),
            skips: self.skips(of)?,
            died: false,
        };
        if let Some(disk) = &self.0 {
            let (file, left) = mark::open(disk, &format!("attempt-{of}"))?;
            attempt.file = Some(file);
            let (mark, condemned) = left.judged();
            attempt.mark = mark;
            if let Some(offset) = condemned {
                attempt.skips.push(offset);
                attempt.skips.write(disk, of)?;
                tracing::error!(code = "TW4009", %of, %offset, "two processes or loops ended while they applied this record: it is a dead letter");
            }
            attempt.note()?;
        }
        Ok(attempt)
    }
}

impl Attempt {
    /// Records whose bytes are not to be looked at.
    #[must_use]
    pub fn skips(&self) -> &Skips {
        &self.skips
    }

    /// The first of `records` is about to be applied, and the others after it.
    pub fn enter(&mut self, records: &[Record]) {
        let [first, ..] = records else { return };
        if self.mark.now.is_none_or(|now| !now.contains(first.offset)) {
            self.mark.enter(records.iter().map(|record| record.offset));
            self.note_or_tell();
        }
    }

    /// Nothing is being applied.
    pub fn leave(&mut self) {
        if self.mark.now.take().is_some() {
            self.note_or_tell();
        }
    }

    /// Applying this record broke off.
    pub fn died(&mut self, at: Offset) {
        self.mark.now = Some(Range::one(at));
        self.died = true;
        self.note_or_tell();
    }

    fn note(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => file.write_all_at(&self.mark.encode(), 0),
            None => Ok(()),
        }
    }

    /// A disk that takes no note takes no death into account; nothing else depends on it.
    fn note_or_tell(&mut self) {
        if let Err(error) = self.note() {
            tracing::warn!(code = "TW4010", of = %self.of, %error, "what is applied cannot be noted; a record that kills the process is not found");
            self.file = None;
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.died {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests;
