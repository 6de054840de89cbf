//! Strips of bytes of many series, one behind the other. Each says which strip of its series comes before it. In: a strip. Out: those of a series, from
//! the newest back.

use crate::head::list::place;
use crate::series::NONE;

/// Bytes of a chunk at most; a strip lies in one.
const CHUNK_BYTES: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 16;
/// Before its bytes a strip has the place of the one before it, and how many bytes there are.
pub(super) const HEAD_BYTES: usize = 4 + 1;

/// See the module. The chunks stay where they are.
#[derive(Debug, Default)]
pub(super) struct Strips {
    chunks: Vec<Vec<u8>>,
}

impl Strips {
    /// Adds a strip of fewer than 256 bytes behind the one at `newest`, and moves that along.
    pub(super) fn push(&mut self, newest: &mut u32, strip: &[u8]) {
        let len = u8::try_from(strip.len()).expect("a strip has fewer than 256 bytes");
        let all_bytes = HEAD_BYTES + strip.len();
        let last = self.chunks.last();
        if last.is_none_or(|chunk| chunk.len() + all_bytes > CHUNK_BYTES) {
            self.chunks.push(Vec::new());
        }
        let number = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut().expect("there is one");
        let before = std::mem::replace(newest, place(number << CHUNK_SHIFT | chunk.len()));
        chunk.extend_from_slice(&before.to_le_bytes());
        chunk.push(len);
        chunk.extend_from_slice(strip);
    }

    /// The strip at `newest` and those before it.
    pub(super) fn back(&self, newest: u32) -> impl Iterator<Item = &[u8]> {
        let mut next = newest;
        std::iter::from_fn(move || {
            let (before, strip) = self.at(next)?;
            next = before;
            Some(strip)
        })
    }

    /// A strip and the place of the one before it.
    fn at(&self, place: u32) -> Option<(u32, &[u8])> {
        if place == NONE {
            return None;
        }
        let chunk = self.chunks.get((place >> CHUNK_SHIFT) as usize)?;
        let strip = chunk.get(place as usize & (CHUNK_BYTES - 1)..)?;
        let (before, strip) = strip.split_first_chunk()?;
        let (len, strip) = strip.split_first()?;
        Some((u32::from_le_bytes(*before), strip.get(..usize::from(*len))?))
    }

    #[cfg(test)]
    fn n_bytes(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_of_each_series_come_back_from_the_newest() {
        let mut strips = Strips::default();
        let mut newest = [NONE; 7];
        let strip = |n: usize| vec![n as u8; n % 256];
        for n in 0..10_000 {
            strips.push(&mut newest[n % 7], &strip(n));
        }
        for (series, newest) in newest.into_iter().enumerate() {
            let sent = (0..10_000).rev().filter(|n| n % 7 == series).map(strip);
            let found = strips.back(newest).map(<[u8]>::to_vec);
            assert!(found.eq(sent), "{series}");
        }
        assert_eq!(strips.back(NONE).count(), 0);
        let sent: usize = (0..10_000).map(|n| HEAD_BYTES + n % 256).sum();
        assert_eq!(strips.n_bytes(), sent);
        assert!(strips.chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
    }
}
