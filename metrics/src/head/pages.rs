//! Points of many series in one list. A series has pages of it, the newest of which it knows; its points lie side by side within a page, in order of
//! records. In: points of any series. Out: those of one, page by page.
//!
//! Pages of points that come one by one have room for 2, 4, 8 and then 16: a series of one point takes little, and a long one is read with few waits
//! for memory. The list grows by chunks that stay where they are: it never lies in memory twice.

use super::list::{List, place};

/// Points that the first page of a series has room for, and any page at most, where they come one by one.
const ROOM_MIN: u8 = 2;
const ROOM_MAX: u8 = 16;
/// What a page counts in the memory formula beside its room.
const PAGE_BYTES: u64 = 12;

/// Points of a chunk at most; a page lies in one.
const CHUNK_POINTS: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 16;

/// See the module.
#[derive(Debug)]
pub(super) struct Pages<T> {
    chunks: Vec<Vec<T>>,
    pages: List<Page>,
    /// What room for a point counts in the memory formula.
    point_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    /// The page before it of its series, or none.
    previous: u32,
    /// Where its points begin: a chunk, and in its lower bits a place there.
    begin: u32,
    len: u8,
    room: u8,
}

impl Page {
    fn chunk(&self) -> usize {
        (self.begin >> CHUNK_SHIFT) as usize
    }

    fn place(&self) -> usize {
        self.begin as usize & (CHUNK_POINTS - 1)
    }
}

impl<T: Clone> Pages<T> {
    pub(super) fn new(point_bytes: u64) -> Self {
        Self {
            chunks: Vec::new(),
            pages: List::default(),
            point_bytes,
        }
    }

    /// Puts a point behind those of the series whose newest page is `last`, and moves `last` along. Returns the bytes that it takes by formula: those of
    /// a new page, or none.
    pub(super) fn push(&mut self, last: &mut u32, point: T) -> u64 {
        let newest = self.pages.get_mut(*last);
        let room = newest
            .as_ref()
            .map_or(ROOM_MIN, |page| page.room.saturating_mul(2).min(ROOM_MAX));
        if let Some(page) = newest.filter(|page| page.len < page.room) {
            let at = page.place() + usize::from(page.len);
            let chunk = self.chunks.get_mut(page.chunk());
            if let Some(slot) = chunk.and_then(|chunk| chunk.get_mut(at)) {
                *slot = point;
            }
            page.len += 1;
            return 0;
        }
        let begin = self.reserve(point, room.into());
        *last = self.pages.push(Page {
            previous: *last,
            begin,
            len: 1,
            room,
        });
        PAGE_BYTES + self.point_bytes * u64::from(room)
    }

    /// Room for a page, filled with its first point: what has not come yet is filled with what has.
    fn reserve(&mut self, point: T, room: usize) -> u32 {
        let newest = self.chunks.last();
        if newest.is_none_or(|chunk| chunk.len() + room > CHUNK_POINTS) {
            self.chunks.push(Vec::new());
        }
        let number = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut().expect("there is one");
        let begin = place(number << CHUNK_SHIFT | chunk.len());
        chunk.resize(chunk.len() + room, point);
        begin
    }

    /// The newest point of the series whose newest page is `last`.
    pub(super) fn newest_mut(&mut self, last: u32) -> Option<&mut T> {
        let page = self.pages.get(last)?;
        let behind = page.place() + usize::from(page.len);
        let chunk = self.chunks.get_mut(page.chunk())?;
        chunk.get_mut(behind.checked_sub(1)?)
    }

    /// The points of the series whose newest page is `last`, in order of records.
    pub(super) fn of(&self, last: u32) -> impl Iterator<Item = &T> {
        let page = |number: u32| self.pages.get(number);
        let back = std::iter::successors(page(last), |newer| page(newer.previous));
        let pages: Vec<&Page> = back.collect();
        pages.into_iter().rev().flat_map(|page| {
            let begin = page.place();
            let chunk = self.chunks.get(page.chunk());
            let points = chunk.and_then(|chunk| chunk.get(begin..begin + usize::from(page.len)));
            points.unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::NONE;

    #[test]
    fn points_of_each_series_come_back_in_order_whatever_lies_between() {
        let mut pages = Pages::new(8);
        let mut lasts = [NONE; 7];
        let mut bytes = 0;
        for n in 0..200_000_u64 {
            let series = (n * n % 7) as usize;
            bytes += pages.push(&mut lasts[series], n);
        }
        for (series, last) in lasts.iter().enumerate() {
            let expected = (0..200_000).filter(|n| n * n % 7 == series as u64);
            let found: Vec<u64> = pages.of(*last).copied().collect();
            assert_eq!(found, expected.collect::<Vec<_>>(), "{series}");
        }
        let n_points: usize = pages.chunks.iter().map(Vec::len).sum();
        assert_eq!(bytes, 8 * n_points as u64 + 12 * pages.pages.len() as u64);
        let lens = pages.chunks.iter().map(Vec::len);
        assert!(pages.chunks.len() > 3 && lens.max() <= Some(CHUNK_POINTS));
    }

    #[test]
    fn a_series_takes_little_room_at_first() {
        let room_after = |n: usize| {
            let mut pages = Pages::new(0);
            let mut last = NONE;
            for _ in 0..n {
                pages.push(&mut last, ());
            }
            (pages.chunks.concat().len(), pages.pages.len())
        };
        let expected = [(1, (2, 1)), (3, (6, 2)), (30, (30, 4)), (31, (46, 5))];
        for (n, room) in expected {
            assert_eq!(room_after(n), room, "{n} points");
        }
    }
}
