//! The mark of one partition: what is being applied, and where the last process died. Pure, but for opening its file.

use std::io;

use crate::Offset;
use crate::fields::Fields;
use crate::local::disk::{Disk, DiskFile};

const MAGIC: &[u8; 4] = b"TWAT";
const VERSION: u16 = 1;
const IS_APPLYING: u16 = 1;
const IS_SUSPECTED: u16 = 2;
const FILE_BYTES: usize = 48;

/// Records from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Range {
    pub(super) first: Offset,
    pub(super) last: Offset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Being applied.
    pub(super) now: Option<Range>,
    /// The last process died among these: they are applied one by one.
    pub(super) suspect: Option<Range>,
}

impl Range {
    pub(super) fn one(at: Offset) -> Self {
        Self {
            first: at,
            last: at,
        }
    }

    pub(super) fn contains(self, offset: Offset) -> bool {
        self.first <= offset && offset <= self.last
    }

    fn is_one(self) -> bool {
        self.first == self.last
    }
}

impl Mark {
    /// What the mark that somebody left behind makes of the next one, and the record that it condemns.
    pub(super) fn judged(self) -> (Self, Option<Offset>) {
        let suspect = |suspect| Self { now: None, suspect };
        match self.now {
            Some(now) if now.is_one() && self.suspect == Some(now) => {
                (suspect(None), Some(now.first))
            }
            Some(now) => (suspect(Some(now)), None),
            None => (suspect(self.suspect), None),
        }
    }

    /// Records at these ascending offsets are about to be applied: all of them, up to where one has to go slowly.
    pub(super) fn enter(&mut self, offsets: impl Iterator<Item = Offset>) {
        let mut offsets = offsets.peekable();
        let Some(first) = offsets.peek().copied() else {
            return;
        };
        // What lies behind is cleared of suspicion.
        self.suspect = self.suspect.filter(|suspect| first <= suspect.last);
        let last = match self.suspect {
            Some(suspect) if suspect.contains(first) => Some(first),
            Some(suspect) => offsets.take_while(|offset| *offset < suspect.first).last(),
            None => offsets.last(),
        };
        self.now = last.map(|last| Range { first, last });
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let flag = |range: Option<Range>, flag| if range.is_some() { flag } else { 0 };
        let flags = flag(self.now, IS_APPLYING) | flag(self.suspect, IS_SUSPECTED);
        let mut out = Vec::with_capacity(FILE_BYTES);
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(flags.to_le_bytes());
        for range in [self.now, self.suspect].map(Option::unwrap_or_default) {
            out.extend(range.first.0.to_le_bytes());
            out.extend(range.last.0.to_le_bytes());
        }
        out.extend([0; 4]);
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields(checked);
        let is_ours = bytes.len() == FILE_BYTES
            && crc32c::crc32c(checked) == u32::from_le_bytes(*crc)
            && fields.take(MAGIC.len())? == MAGIC
            && fields.u16()? == VERSION;
        let flags = is_ours.then(|| fields.u16())??;
        let mut range = || {
            Some(Range {
                first: Offset(fields.u64()?),
                last: Offset(fields.u64()?),
            })
        };
        let (now, suspect) = (range()?, range()?);
        Some(Self {
            now: (flags & IS_APPLYING != 0).then_some(now),
            suspect: (flags & IS_SUSPECTED != 0).then_some(suspect),
        })
    }
}

/// The file of a mark, and what it says; nothing if it is new or damaged.
pub(super) fn open(disk: &Disk, name: &str) -> io::Result<(DiskFile, Mark)> {
    match disk.open(name) {
        Ok(file) => {
            let bytes = file.read_at_most(FILE_BYTES, 0)?;
            Ok((file, Mark::decode(&bytes).unwrap_or_default()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok((disk.create(name)?, Mark::default()))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(first: u64, last: u64) -> Option<Range> {
        Some(Range {
            first: Offset(first),
            last: Offset(last),
        })
    }

    #[track_caller]
    fn judge(now: Option<Range>, suspect: Option<Range>, expected: (Option<Range>, Option<u64>)) {
        let (mark, condemned) = Mark { now, suspect }.judged();
        assert_eq!((mark.suspect, condemned.map(|at| at.0)), expected);
        assert_eq!(mark.now, None);
    }

    #[test]
    fn two_deaths_at_one_record_condemn_it_and_no_others_do() {
        judge(None, None, (None, None));
        judge(None, range(3, 9), (range(3, 9), None));
        judge(range(3, 9), None, (range(3, 9), None));
        judge(range(5, 5), range(3, 9), (range(5, 5), None));
        judge(range(5, 5), range(5, 5), (None, Some(5)));
        judge(range(6, 6), range(5, 5), (range(6, 6), None));
        judge(range(5, 7), range(5, 7), (range(5, 7), None));
    }

    #[test]
    fn what_is_suspected_is_applied_one_by_one_until_it_is_passed() {
        let mut mark = Mark {
            now: None,
            suspect: range(20, 30),
        };
        let offsets = [5, 12, 20, 25, 30, 31, 40];
        let mut enter = |from: u64| {
            let rest = offsets.into_iter().filter(|at| *at >= from);
            mark.enter(rest.map(Offset));
            (mark.now, mark.suspect.is_some())
        };
        assert_eq!(enter(5), (range(5, 12), true));
        assert_eq!(enter(20), (range(20, 20), true));
        assert_eq!(enter(25), (range(25, 25), true));
        assert_eq!(enter(30), (range(30, 30), true));
        assert_eq!(enter(31), (range(31, 40), false));
    }

    proptest! {
        #[test]
        fn a_mark_reads_back_what_it_writes_and_nothing_from_other_bytes(
            now in any::<Option<(u64, u64)>>(), suspect in any::<Option<(u64, u64)>>(), at in 0..FILE_BYTES, flip in 1..=255u8,
        ) {
            let of = |range: Option<(u64, u64)>| range.map(|(first, last)| Range { first: Offset(first), last: Offset(last) });
            let mark = Mark { now: of(now), suspect: of(suspect) };
            let mut bytes = mark.encode();
            prop_assert_eq!(Mark::decode(&bytes), Some(mark));
            prop_assert_eq!(Mark::decode(&bytes[..at]), None);
            bytes[at] ^= flip;
            prop_assert_eq!(Mark::decode(&bytes), None);
        }
    }
}
