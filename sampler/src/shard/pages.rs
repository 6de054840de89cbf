//! A growing store of equal things, found by number. It grows a page at a time: nothing is ever moved, and no space is held in advance.

/// Things a page holds.
const PAGE: usize = 1_024;

/// Things by number; a removed one's number is given out again.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pages: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Default> Pages<T> {
    pub(super) fn insert(&mut self, thing: T) -> u32 {
        if let Some(number) = self.free.pop() {
            *self.get_mut(number) = thing;
            return number;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let n_full = self.pages.len() - 1;
        let page = self
            .pages
            .last_mut()
            .expect("a page was just added if there was none");
        page.push(thing);
        u32::try_from(n_full * PAGE + page.len() - 1)
            .expect("fewer than 2^32 open traces and spans fit into memory")
    }

    pub(super) fn remove(&mut self, number: u32) -> T {
        let thing = std::mem::take(self.get_mut(number));
        self.free.push(number);
        thing
    }

    pub(super) fn get(&self, number: u32) -> &T {
        let number = number as usize;
        self.pages
            .get(number / PAGE)
            .and_then(|page| page.get(number % PAGE))
            .expect("numbers come from insert")
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        let number = number as usize;
        let page = self.pages.get_mut(number / PAGE);
        page.and_then(|page| page.get_mut(number % PAGE))
            .expect("numbers come from insert")
    }

    /// Everything, the removed as its default, with its number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(self.pages.iter().flatten())
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
        assert_eq!(pages.insert(99), 7);
        assert_eq!(*pages.get(7), 99);
        assert_eq!(pages.iter().count(), 3_000);
    }
}
