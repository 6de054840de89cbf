//! Joining what blocks and heads have of one series. In: rows, those of lower offsets first. Out: series in order of labels.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::row::Row;
use crate::series::Kind;
use crate::{Labels, Points, Samples, SeriesData};

/// Labels as a number: xxh3-128 of each text, mixed in order. Two series with one key would be taken for one; at 2^128 they do not meet by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelsKey(u128);

impl std::hash::Hash for LabelsKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// Odd, with bits all over: 2^128 ÷ the golden ratio.
const MIX: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// What a text contributes to a key.
#[must_use]
pub fn text_key(text: &str) -> u128 {
    xxh3_128(text.as_bytes())
}

impl LabelsKey {
    /// From the keys of (name, value), in order of names.
    #[must_use]
    pub fn of(pairs: impl Iterator<Item = (u128, u128)>) -> Self {
        let mix = |key: u128, (name, value): (u128, u128)| {
            let key = (key ^ name).wrapping_mul(MIX);
            (key ^ (key >> 64) ^ value).wrapping_mul(MIX)
        };
        let key = pairs.fold(MIX, mix);
        Self(key ^ (key >> 64))
    }

    #[must_use]
    pub fn number(self) -> u128 {
        self.0
    }

    /// From the texts themselves.
    #[must_use]
    pub fn of_texts<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        Self::of(labels.map(|(name, value)| (text_key(name), text_key(value))))
    }
}

/// Rows of many parts, by series.
#[derive(Default)]
pub struct Joined {
    places: HashMap<LabelsKey, [Option<u32>; 2], Fixed>,
    series: Vec<(Labels, Row)>,
}

/// Nothing depends on the order of the map, so its seed may be fixed.
#[derive(Clone)]
struct Fixed(FixedState);

impl Default for Fixed {
    fn default() -> Self {
        Self(FixedState::with_seed(2))
    }
}

impl BuildHasher for Fixed {
    type Hasher = <FixedState as BuildHasher>::Hasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

impl Joined {
    /// Adds a row of higher offsets than those before.
    pub fn add(&mut self, key: LabelsKey, labels: impl FnOnce() -> Labels, row: Row) {
        let places = self.places.entry(key).or_default();
        let Some(place) = places.get_mut(row.kind as usize) else {
            return;
        };
        match place.and_then(|place| self.series.get_mut(place as usize)) {
            Some((_, earlier)) => earlier.append(row),
            None => {
                *place = Some(self.series.len() as u32);
                self.series.push((labels(), row));
            }
        }
    }

    /// Series in order of labels. If the same labels came in both ways, the one with the newer point counts.
    #[must_use]
    pub fn finish(self) -> Vec<SeriesData> {
        let mut series = self.series;
        series.sort_by(|(a, row_a), (b, row_b)| {
            let newest_first = || newest(row_b).cmp(&newest(row_a));
            a.cmp(b).then_with(newest_first)
        });
        series.dedup_by(|(a, _), (b, _)| a == b);
        series.into_iter().map(data).collect()
    }
}

fn newest(row: &Row) -> Option<i64> {
    let floats = row.floats.last().map(|(at, _)| *at);
    let histograms = row.histograms.last().map(|(at, _)| *at);
    let windows = row.windows.last().map(|window| window.end_unix_ms);
    floats.max(histograms).max(windows)
}

fn data((labels, mut row): (Labels, Row)) -> SeriesData {
    row.settle();
    let points = match row.kind {
        Kind::Samples => Points::Samples(Samples {
            floats: row.floats,
            histograms: row.histograms,
        }),
        Kind::Windows => Points::Windows(row.windows),
    };
    SeriesData { labels, points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, Window};

    fn row(kind: Kind, at: i64) -> Row {
        let mut row = Row::new(kind);
        match kind {
            Kind::Samples => row.floats.push((at, 1.0)),
            Kind::Windows => row.windows.push(Window {
                start_unix_ms: at - 1,
                end_unix_ms: at,
                value: Value::Float(2.0),
            }),
        }
        row
    }

    #[test]
    fn rows_join_by_labels_and_the_newer_of_two_kinds_counts() {
        let mut joined = Joined::default();
        let b = Labels::new([("__name__", "b")]);
        let a = Labels::new([("__name__", "a")]);
        for (labels, row) in [
            (&b, row(Kind::Windows, 5)),
            (&a, row(Kind::Samples, 1)),
            (&b, row(Kind::Samples, 9)),
            (&a, row(Kind::Samples, 2)),
        ] {
            joined.add(LabelsKey::of_texts(labels.iter()), || labels.clone(), row);
        }
        let samples = |floats: &[(i64, f64)]| {
            Points::Samples(Samples {
                floats: floats.to_vec(),
                histograms: Vec::new(),
            })
        };
        let expected = [
            SeriesData {
                labels: a,
                points: samples(&[(1, 1.0), (2, 1.0)]),
            },
            SeriesData {
                labels: b,
                points: samples(&[(9, 1.0)]),
            },
        ];
        assert_eq!(joined.finish(), expected);
    }

    #[test]
    fn a_key_tells_names_from_values_and_orders() {
        let key = |labels: &[(&str, &str)]| LabelsKey::of_texts(labels.iter().copied());
        assert_eq!(key(&[("a", "b")]), key(&[("a", "b")]));
        assert_ne!(key(&[("a", "b")]), key(&[("b", "a")]));
        assert_ne!(
            key(&[("a", "b"), ("c", "d")]),
            key(&[("c", "d"), ("a", "b")])
        );
        assert_ne!(key(&[]), key(&[("", "")]));
    }
}
