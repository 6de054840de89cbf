//! A list that grows by chunks which stay where they are: it never lies in memory twice, as one does that is copied when it grows.

use crate::series::NONE;

/// Things of a chunk.
const CHUNK_LEN: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 10;

/// See the module.
#[derive(Debug)]
pub(super) struct List<T>(Vec<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> List<T> {
    /// Adds a thing. Returns its number.
    pub(super) fn push(&mut self, thing: T) -> u32 {
        if self.0.last().is_none_or(|chunk| chunk.len() == CHUNK_LEN) {
            self.0.push(Vec::new());
        }
        let n_before = (self.0.len() - 1) << CHUNK_SHIFT;
        let chunk = self.0.last_mut().expect("there is one");
        let number = place(n_before + chunk.len());
        chunk.push(thing);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, place) = split(number);
        self.0.get(chunk)?.get(place)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (chunk, place) = split(number);
        self.0.get_mut(chunk)?.get_mut(place)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

fn split(number: u32) -> (usize, usize) {
    let number = number as usize;
    (number >> CHUNK_SHIFT, number & (CHUNK_LEN - 1))
}

/// The number that something gets, which is none at [`NONE`].
pub(super) fn place(len: usize) -> u32 {
    let place = u32::try_from(len).ok().filter(|place| *place != NONE);
    place.expect("a head is sealed before it has 2^32 of anything")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_by_the_numbers_they_got() {
        let mut list = List::default();
        for n in 0..5_000 {
            assert_eq!(list.push(n), n);
        }
        *list.get_mut(4_000).expect("there") = 7;
        for n in 0..5_000 {
            assert_eq!(list.get(n), Some(if n == 4_000 { &7 } else { &n }));
        }
        assert_eq!(
            (list.len(), list.get(5_000), list.get(NONE)),
            (5_000, None, None)
        );
        assert_eq!(list.0.iter().map(Vec::len).max(), Some(CHUNK_LEN));
    }
}
