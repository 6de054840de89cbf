//! The order of a list and its pages.

use std::cmp::Ordering;

use super::numbers::Numbers;
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

/// By what a list is sorted; numbers are largest first, names ascending, and names decide between equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Rate,
    Errors,
    P95,
    Total,
    State,
}

const SORTS: [(&str, Sort); 6] = [
    ("name", Sort::Name),
    ("rate", Sort::Rate),
    ("errors", Sort::Errors),
    ("p95", Sort::P95),
    ("total", Sort::Total),
    ("state", Sort::State),
];

/// What a row is sorted by.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) error_ratio: Option<f64>,
    pub(super) p95: Option<f64>,
    pub(super) total_s: f64,
    pub(super) state: &'static str,
}

impl Key {
    /// By a row's numbers, which have no state of their own.
    pub(super) fn of(name: String, numbers: &Numbers) -> Self {
        Self {
            name,
            rate: numbers.rate,
            error_ratio: numbers.error_ratio,
            p95: numbers.p95,
            total_s: numbers.total_s,
            state: "",
        }
    }
}

/// Which part of a list is wanted. A cursor is the place in the sorted list that the page before ended at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    sort: Sort,
    begin: usize,
    limit: usize,
}

impl Page {
    pub(super) fn read(parameters: &Parameters, sort: Sort) -> Result<Self, Refusal> {
        let sort = match parameters.text("sort") {
            None => sort,
            Some(text) => {
                let found = SORTS.iter().find(|(word, _)| *word == text);
                let found = found.ok_or_else(|| {
                    Refusal::invalid("unable to parse param 'sort': expected name, rate, errors, p95, total or state")
                });
                found?.1
            }
        };
        Ok(Self {
            sort,
            begin: parameters.number("cursor")?.unwrap_or(0),
            limit: parameters.limit("limit")?,
        })
    }

    /// The rows of the page, how many there are in all, and where the next page begins.
    pub(super) fn of<T>(
        self,
        items: Vec<T>,
        key: impl Fn(&T) -> Key,
    ) -> (Vec<T>, usize, Option<String>) {
        let total = items.len();
        let mut keyed: Vec<(Key, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.sort_by(|(a, _), (b, _)| self.sort.order(a, b).then_with(|| a.name.cmp(&b.name)));
        let end = self.begin.saturating_add(self.limit);
        let rows = keyed.into_iter().map(|(_, item)| item);
        let page = rows.skip(self.begin).take(self.limit).collect();
        (page, total, (end < total).then(|| end.to_string()))
    }
}

impl Sort {
    fn order(self, a: &Key, b: &Key) -> Ordering {
        let number = |number: Option<f64>| number.unwrap_or(-1.0);
        match self {
            Self::Name => Ordering::Equal,
            Self::Rate => b.rate.total_cmp(&a.rate),
            Self::Errors => number(b.error_ratio).total_cmp(&number(a.error_ratio)),
            Self::P95 => number(b.p95).total_cmp(&number(a.p95)),
            Self::Total => b.total_s.total_cmp(&a.total_s),
            Self::State => rank(b.state).cmp(&rank(a.state)),
        }
    }
}

fn rank(state: &str) -> usize {
    let words = ["unknown", "ok", "warn", "bad"];
    words.iter().position(|word| *word == state).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(item: &(&'static str, f64, &'static str)) -> Key {
        Key {
            name: item.0.to_owned(),
            rate: item.1,
            error_ratio: None,
            p95: Some(-item.1),
            total_s: 0.0,
            state: item.2,
        }
    }

    #[track_caller]
    fn check(query: &str, expected: &str, next: Option<&str>) {
        let parameters = Parameters::of_query(Some(query)).expect("short");
        let page = Page::read(&parameters, Sort::Name).expect("valid");
        let items = vec![("b", 1.0, "bad"), ("a", 3.0, "ok"), ("c", 3.0, "warn")];
        let (rows, total, cursor) = page.of(items, key);
        let names: String = rows.iter().map(|row| row.0).collect();
        assert_eq!(
            (&*names, total, cursor.as_deref()),
            (expected, 3, next),
            "{query}"
        );
    }

    #[test]
    fn lists_are_sorted_and_cut_into_pages() {
        check("", "abc", None);
        check("sort=rate", "acb", None);
        check("sort=errors", "abc", None);
        check("sort=p95", "bac", None);
        check("sort=state", "bca", None);
        check("sort=rate&limit=2", "ac", Some("2"));
        check("sort=rate&limit=2&cursor=2", "b", None);
        check("cursor=9", "", None);
        let unread = Parameters::of_query(Some("sort=x")).expect("short");
        assert!(Page::read(&unread, Sort::Name).is_err());
    }
}
