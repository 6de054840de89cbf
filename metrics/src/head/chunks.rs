//! Lists that grow by chunks which stay where they are: none lies in memory twice, as one does that is copied when it grows. In: things, some of which
//! shall lie side by side. Out: the same, by place.

use crate::series::NONE;

/// A list in chunks of 2 to the power of `SHIFT` things. A place is the number of a chunk, and in its lower bits a place there: of things that are pushed
/// one by one the places are their numbers.
#[derive(Debug)]
pub(super) struct Chunks<T, const SHIFT: u32>(Vec<Vec<T>>);

impl<T, const SHIFT: u32> Default for Chunks<T, SHIFT> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const SHIFT: u32> Chunks<T, SHIFT> {
    const CHUNK_LEN: usize = 1 << SHIFT;

    /// Where `n` things side by side begin, no more than a chunk has, and the chunk that they are pushed to.
    ///
    /// # Panics
    /// When there are 2^32 things, before which a head is sealed.
    pub(super) fn begin(&mut self, n: usize) -> (u32, &mut Vec<T>) {
        let newest = self.0.last();
        if newest.is_none_or(|chunk| chunk.len() + n > Self::CHUNK_LEN) {
            self.0.push(Vec::new());
        }
        let number = self.0.len() - 1;
        let chunk = self.0.last_mut().expect("there is one");
        let place = u32::try_from(number << SHIFT | chunk.len());
        let place = place.ok().filter(|place| *place != NONE);
        (place.expect("a head is sealed before"), chunk)
    }

    /// Adds one thing. Returns its place.
    pub(super) fn push(&mut self, thing: T) -> u32 {
        let (place, chunk) = self.begin(1);
        chunk.push(thing);
        place
    }

    /// What lies at a place, and behind it in its chunk; nothing at [`NONE`].
    pub(super) fn at(&self, place: u32) -> &[T] {
        let (chunk, place) = Self::split(place);
        let chunk = self.0.get(chunk);
        chunk
            .and_then(|chunk| chunk.get(place..))
            .unwrap_or_default()
    }

    pub(super) fn at_mut(&mut self, place: u32) -> &mut [T] {
        let (chunk, place) = Self::split(place);
        let chunk = self.0.get_mut(chunk);
        chunk
            .and_then(|chunk| chunk.get_mut(place..))
            .unwrap_or_default()
    }

    fn split(place: u32) -> (usize, usize) {
        let place = place as usize;
        (place >> SHIFT, place & (Self::CHUNK_LEN - 1))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_the_numbers_they_got() {
        let mut chunks = Chunks::<u32, 3>::default();
        for n in 0..100 {
            assert_eq!(chunks.push(n), n);
        }
        chunks.at_mut(40)[0] = 7;
        for n in 0..100 {
            let expected = if n == 40 { 7 } else { n };
            assert_eq!(chunks.at(n).first(), Some(&expected));
        }
        assert_eq!(chunks.len(), 100);
        assert!(chunks.at(100).is_empty() && chunks.at(NONE).is_empty());
        assert!(chunks.at_mut(NONE).is_empty());
    }

    #[test]
    fn what_lies_side_by_side_lies_in_one_chunk() {
        let mut chunks = Chunks::<u8, 3>::default();
        let places: Vec<u32> = [3, 3, 3, 8, 1]
            .map(|n| {
                let (place, chunk) = chunks.begin(n);
                chunk.resize(chunk.len() + n, n as u8);
                place
            })
            .to_vec();
        assert_eq!(places, [0, 3, 8, 16, 24]);
        assert_eq!(chunks.at(3), [3; 3]);
        assert_eq!(chunks.at(18), [8; 6]);
    }
}
