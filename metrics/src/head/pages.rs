//! Points of many series in one list. A series has pages of it, the newest of which it knows; its points lie side by side within a page, in order of
//! records. In: points of any series. Out: those of one, page by page.
//!
//! Pages have room for 2, 4, 8 and then 16 points: a series of one point takes little, and a long one is read with few waits for memory. The list grows
//! by chunks that stay where they are: it never lies in memory twice.

use super::chunks::Chunks;

/// Points that the first page of a series has room for, and any page at most.
const ROOM_MIN: u8 = 2;
const ROOM_MAX: u8 = 16;
/// What a page counts in the memory formula beside its room.
const PAGE_BYTES: u64 = 12;

/// See the module.
#[derive(Debug)]
pub(super) struct Pages<T> {
    points: Chunks<T, 10>,
    pages: Chunks<Page, 10>,
    /// What room for a point counts in the memory formula.
    point_bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Page {
    /// The page before it of its series, or none.
    previous: u32,
    /// Where its points begin.
    begin: u32,
    len: u8,
    room: u8,
}

impl<T: Clone> Pages<T> {
    pub(super) fn new(point_bytes: u64) -> Self {
        Self {
            points: Chunks::default(),
            pages: Chunks::default(),
            point_bytes,
        }
    }

    /// Puts a point behind those of the series whose newest page is `last`, and moves `last` along. Returns the bytes that it takes by formula: those of
    /// a new page, or none.
    pub(super) fn push(&mut self, last: &mut u32, point: T) -> u64 {
        let newest = self.pages.at_mut(*last).first_mut();
        let room = newest
            .as_ref()
            .map_or(ROOM_MIN, |page| page.room.saturating_mul(2).min(ROOM_MAX));
        if let Some(page) = newest.filter(|page| page.len < page.room) {
            let free = self
                .points
                .at_mut(page.begin)
                .get_mut(usize::from(page.len));
            if let Some(free) = free {
                *free = point;
            }
            page.len += 1;
            return 0;
        }
        let n_points = usize::from(room);
        let (begin, chunk) = self.points.begin(n_points);
        // what has not come yet is filled with what has
        chunk.resize(chunk.len() + n_points, point);
        *last = self.pages.push(Page {
            previous: *last,
            begin,
            len: 1,
            room,
        });
        PAGE_BYTES + self.point_bytes * u64::from(room)
    }

    /// The newest point of the series whose newest page is `last`.
    pub(super) fn newest_mut(&mut self, last: u32) -> Option<&mut T> {
        let page = self.pages.at(last).first()?;
        let newest = usize::from(page.len).checked_sub(1)?;
        self.points.at_mut(page.begin).get_mut(newest)
    }

    /// The points of the series whose newest page is `last`, in order of records.
    pub(super) fn of(&self, last: u32) -> impl Iterator<Item = &T> {
        let page = |number: u32| self.pages.at(number).first();
        let back = std::iter::successors(page(last), |newer| page(newer.previous));
        let pages: Vec<&Page> = back.collect();
        pages.into_iter().rev().flat_map(|page| {
            let points = self.points.at(page.begin);
            points.get(..usize::from(page.len)).unwrap_or_default()
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
        assert_eq!(
            bytes,
            8 * pages.points.len() as u64 + 12 * pages.pages.len() as u64
        );
    }

    #[test]
    fn a_series_takes_little_room_at_first() {
        let room_after = |n: usize| {
            let mut pages = Pages::new(0);
            let mut last = NONE;
            for _ in 0..n {
                pages.push(&mut last, ());
            }
            (pages.points.len(), pages.pages.len())
        };
        let expected = [(1, (2, 1)), (3, (6, 2)), (30, (30, 4)), (31, (46, 5))];
        for (n, room) in expected {
            assert_eq!(room_after(n), room, "{n} points");
        }
    }
}
