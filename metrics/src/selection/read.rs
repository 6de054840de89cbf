//! Reading a slice of a selection: from each source what it has of those series, joined. Of equal times the later source's sample counts; windows add.

use super::Selection;
use crate::row::Row;
use crate::series::Kind;
use crate::{Points, SelectError};

/// What sources have of one series, by kind.
#[derive(Default)]
struct Joined([Option<Row>; 2]);

impl Selection {
    /// The points of some series, in their order; none for those without points in the range.
    pub(super) fn read(&self, series: &[usize]) -> Result<Vec<Option<Points>>, SelectError> {
        let mut joined: Vec<Joined> = Vec::new();
        joined.resize_with(series.len(), Joined::default);
        let by_source = self.by_source(series);
        for (source, asked) in self.sources.iter().zip(by_source) {
            for (kind, asked) in [Kind::Samples, Kind::Windows].into_iter().zip(asked) {
                if asked.is_empty() {
                    continue;
                }
                let numbers: Vec<u32> = asked.iter().map(|(number, _)| *number).collect();
                let of = (&self.store, &self.tenant);
                let rows = source.rows(of, &numbers, self.ranges.of(kind))?;
                // both ascend, and each number was asked for
                let mut asked = asked.into_iter();
                for (number, row) in rows {
                    let place = asked.find(|(at, _)| *at == number);
                    let joined = place.and_then(|(_, place)| joined.get_mut(place));
                    if let Some(joined) = joined {
                        joined.add(row);
                    }
                }
            }
        }
        Ok(joined.into_iter().map(Joined::finish).collect())
    }

    /// By source and kind: numbers of series there, ascending, with their places in the slice.
    fn by_source(&self, series: &[usize]) -> Vec<[Vec<(u32, usize)>; 2]> {
        let mut by_source: Vec<[Vec<(u32, usize)>; 2]> = Vec::new();
        by_source.resize_with(self.sources.len(), Default::default);
        for (place, series) in series.iter().enumerate() {
            for part in self.parts.of(*series) {
                let kinds = by_source.get_mut(part.source());
                if let Some(asked) = kinds.and_then(|kinds| kinds.get_mut(part.kind() as usize)) {
                    asked.push((part.series, place));
                }
            }
        }
        for asked in by_source.iter_mut().flatten() {
            asked.sort_unstable(); // as good as sorted, unless labels sort before the name
        }
        by_source
    }
}

impl Joined {
    /// Adds a row of higher offsets than those before.
    fn add(&mut self, row: Row) {
        let Some(slot) = self.0.get_mut(row.kind as usize) else {
            return;
        };
        match slot {
            Some(earlier) => earlier.append(row),
            None => *slot = Some(row),
        }
    }

    /// If the same labels came in both ways, the one with the newer point counts.
    fn finish(self) -> Option<Points> {
        let [samples, windows] = self.0;
        let row = match (samples, windows) {
            (Some(samples), Some(windows)) if newest(&windows) > newest(&samples) => windows,
            (Some(samples), _) => samples,
            (None, windows) => windows?,
        };
        Some(row.into_points())
    }
}

fn newest(row: &Row) -> Option<i64> {
    let floats = row.floats.last().map(|(at, _)| *at);
    let histograms = row.histograms.last().map(|(at, _)| *at);
    let windows = row.windows.last().map(|window| window.end_unix_ms);
    floats.max(histograms).max(windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Value, Window};

    fn samples(floats: &[(i64, f64)]) -> Row {
        Row {
            floats: floats.to_vec(),
            ..Row::new(Kind::Samples)
        }
    }

    fn windows(end: i64) -> Row {
        Row {
            windows: vec![Window {
                start_unix_ms: end - 1,
                end_unix_ms: end,
                value: Value::Float(2.0),
            }],
            ..Row::new(Kind::Windows)
        }
    }

    #[track_caller]
    fn check(rows: Vec<Row>, expected: &Row) {
        let mut joined = Joined::default();
        rows.into_iter().for_each(|row| joined.add(row));
        assert_eq!(joined.finish(), Some(expected.clone().into_points()));
    }

    #[test]
    fn rows_join_and_the_newer_of_two_kinds_counts() {
        let both = samples(&[(1, 1.0), (2, 5.0), (3, 3.0)]);
        let (early, late) = (
            samples(&[(1, 1.0), (2, 2.0)]),
            samples(&[(2, 5.0), (3, 3.0)]),
        );
        check(vec![early, late], &both);
        check(
            vec![windows(5), samples(&[(9, 1.0)])],
            &samples(&[(9, 1.0)]),
        );
        check(vec![samples(&[(4, 1.0)]), windows(5)], &windows(5));
        assert_eq!(Joined::default().finish(), None);
    }
}
