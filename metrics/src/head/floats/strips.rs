//! Strips of bytes of many series, one behind the other. Each says which strip of its series comes before it. In: a strip. Out: those of a series, from
//! the newest back.

use crate::head::chunks::Chunks;

/// Before its bytes a strip has the place of the one before it, and how many bytes there are.
pub(super) const HEAD_BYTES: usize = 4 + 1;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Strips(Chunks<u8, 16>);

impl Strips {
    /// Adds a strip of fewer than 256 bytes behind the one at `before`, or the first of its series behind none. Returns its place.
    pub(super) fn push(&mut self, before: u32, strip: &[u8]) -> u32 {
        let len = u8::try_from(strip.len()).expect("a strip has fewer than 256 bytes");
        let (place, chunk) = self.0.begin(HEAD_BYTES + strip.len());
        chunk.extend_from_slice(&before.to_le_bytes());
        chunk.push(len);
        chunk.extend_from_slice(strip);
        place
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

    /// The place of the strip before this one, and its bytes.
    fn at(&self, place: u32) -> Option<(u32, &[u8])> {
        let (before, strip) = self.0.at(place).split_first_chunk()?;
        let (len, strip) = strip.split_first()?;
        Some((u32::from_le_bytes(*before), strip.get(..usize::from(*len))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::NONE;

    #[test]
    fn strips_of_each_series_come_back_from_the_newest() {
        let mut strips = Strips::default();
        let mut newest = [NONE; 7];
        let strip = |n: usize| vec![n as u8; n % 256];
        for n in 0..10_000 {
            newest[n % 7] = strips.push(newest[n % 7], &strip(n));
        }
        for (series, newest) in newest.into_iter().enumerate() {
            let sent = (0..10_000).rev().filter(|n| n % 7 == series).map(strip);
            let found = strips.back(newest).map(<[u8]>::to_vec);
            assert!(found.eq(sent), "{series}");
        }
        assert_eq!(strips.back(NONE).count(), 0);
        let sent: usize = (0..10_000).map(|n| HEAD_BYTES + n % 256).sum();
        assert_eq!(strips.0.len(), sent);
    }
}
