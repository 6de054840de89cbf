//! A store of equal things, found by number, in pages: nothing is ever moved, and a page whose things are all gone is given back.

/// Things a page holds.
const PAGE: usize = 1_024;

/// Things by number; a removed one's number is given out again.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Page<T>>,
    roomy: Roomy,
}

/// Empty and without memory while none of its numbers is given out.
#[derive(Debug)]
struct Page<T> {
    things: Vec<T>,
    /// Places in `things` whose thing was removed.
    free: Vec<u16>,
}

/// Which pages have room, a bit each.
#[derive(Debug, Default)]
struct Roomy {
    words: Vec<u64>,
    /// No word before it has a bit.
    first_word: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            roomy: Roomy::default(),
        }
    }
}

impl<T: Default> Pages<T> {
    /// Puts a thing into the first page with room, so that the last ones become empty.
    pub(super) fn insert(&mut self, thing: T) -> u32 {
        let number = self.roomy.first().unwrap_or_else(|| {
            self.pages.push(Page::default());
            self.roomy.set(self.pages.len() - 1);
            self.pages.len() - 1
        });
        let page = &mut self.pages[number];
        let place = page.insert(thing);
        if page.is_full() {
            self.roomy.clear(number);
        }
        u32::try_from(number * PAGE + place)
            .expect("fewer than 2^32 open traces and spans fit into memory")
    }

    pub(super) fn remove(&mut self, number: u32) -> T {
        let thing = std::mem::take(self.get_mut(number));
        let (page_no, place) = split(number);
        let page = &mut self.pages[page_no];
        page.free.push(place as u16);
        if page.free.len() == page.things.len() {
            *page = Page::default();
        }
        self.roomy.set(page_no);
        thing
    }

    pub(super) fn get(&self, number: u32) -> &T {
        self.find(number).expect("its number is given out")
    }

    /// What has this number, or had it: then its default, or none.
    pub(super) fn find(&self, number: u32) -> Option<&T> {
        let (page, place) = split(number);
        self.pages.get(page)?.things.get(place)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        let (page, place) = split(number);
        let page = self.pages.get_mut(page);
        page.and_then(|page| page.things.get_mut(place))
            .expect("its number is given out")
    }

    /// Everything, the removed as its default, with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let pages = (0u32..).step_by(PAGE).zip(&self.pages);
        pages.flat_map(|(first, page)| (first..).zip(&page.things))
    }
}

fn split(number: u32) -> (usize, usize) {
    (number as usize / PAGE, number as usize % PAGE)
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            things: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Page<T> {
    fn insert(&mut self, thing: T) -> usize {
        if let Some(place) = self.free.pop() {
            self.things[usize::from(place)] = thing;
            return usize::from(place);
        }
        if self.things.is_empty() {
            self.things.reserve_exact(PAGE);
        }
        self.things.push(thing);
        self.things.len() - 1
    }

    fn is_full(&self) -> bool {
        self.free.is_empty() && self.things.len() == PAGE
    }
}

impl Roomy {
    fn first(&mut self) -> Option<usize> {
        let rest = self.words.get(self.first_word..)?;
        let n_empty = rest.iter().position(|word| *word != 0);
        self.first_word += n_empty.unwrap_or(rest.len());
        let word = self.words.get(self.first_word)?;
        Some(self.first_word * 64 + word.trailing_zeros() as usize)
    }

    fn set(&mut self, page: usize) {
        let word = page / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (page % 64);
        self.first_word = self.first_word.min(word);
    }

    fn clear(&mut self, page: usize) {
        self.words[page / 64] &= !(1 << (page % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_and_are_given_out_again() {
        let mut pages = Pages::default();
        let numbers: Vec<u32> = (0..3_000u64).map(|n| pages.insert(n)).collect();
        assert!(numbers.iter().all(|n| *pages.get(*n) == u64::from(*n)));
        assert_eq!(pages.remove(7), 7);
        assert_eq!(pages.find(7), Some(&0));
        assert_eq!(pages.insert(99), 7);
        assert_eq!(*pages.get(7), 99);
        assert_eq!(pages.iter().count(), 3_000);
        assert!(
            pages
                .iter()
                .all(|(n, thing)| n == 7 || *thing == u64::from(n))
        );
    }

    #[test]
    fn the_first_pages_are_filled_and_empty_ones_are_given_back() {
        let mut pages = Pages::default();
        let numbers: Vec<u32> = (0..200 * PAGE as u32).map(|n| pages.insert(n)).collect();
        let (first, rest) = numbers.split_at(100 * PAGE);
        for number in rest {
            pages.remove(*number);
        }
        assert_eq!(pages.iter().count(), first.len());
        assert_eq!(pages.find(rest[0]), None);
        for number in [70 * PAGE, 3 * PAGE + 9, 3 * PAGE + 8] {
            pages.remove(number as u32);
        }
        let again: Vec<usize> = (0..4).map(|n| pages.insert(n) as usize).collect();
        let expected = [3 * PAGE + 8, 3 * PAGE + 9, 70 * PAGE, 100 * PAGE];
        assert_eq!(again, expected);
    }
}
