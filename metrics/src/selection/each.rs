//! Handing over a selection, slice by slice.

use std::ops::Range;

use hashbrown::HashSet;

use super::{SLICE_BYTES, Selection};
use crate::{Labels, SelectError, SeriesData};

impl Selection {
    /// Hands over each series that has points. What was sent under a view's name counts before the view.
    pub(crate) fn each<E: From<SelectError>>(
        &self,
        take: &mut dyn FnMut(SeriesData) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut sent: HashSet<Labels> = HashSet::new();
        for slice in slices(self.series.iter().map(|series| series.bytes)) {
            let read = self.read(&slice.clone().collect::<Vec<_>>())?;
            let series = self.series.get(slice).unwrap_or_default();
            for (series, points) in series.iter().zip(read) {
                let Some(points) = points else {
                    continue;
                };
                let labels = series.labels.clone();
                if !self.shown.is_empty() {
                    sent.insert(labels.clone());
                }
                take(SeriesData { labels, points })?;
            }
        }
        for shown in &self.shown {
            shown.each(&mut |series: SeriesData| {
                if sent.insert(series.labels.clone()) {
                    take(series)
                } else {
                    Ok(())
                }
            })?;
        }
        Ok(())
    }
}

/// What fits into memory together, at least one thing at a time: of things that take so many bytes, those that are read at once.
pub(super) fn slices(bytes: impl Iterator<Item = u64>) -> impl Iterator<Item = Range<usize>> {
    let mut bytes = bytes.peekable();
    let mut begin = 0;
    std::iter::from_fn(move || {
        let mut end = begin;
        let mut sum = 0;
        while let Some(next) = bytes.next_if(|next| end == begin || sum + next <= SLICE_BYTES) {
            sum += next;
            end += 1;
        }
        let slice = begin..end;
        begin = end;
        (!slice.is_empty()).then_some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_as_long_as_their_points_fit() {
        let of = |bytes: &[u64]| slices(bytes.iter().copied()).collect::<Vec<_>>();
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[1, 2, 3]), [0..3]);
        let large = SLICE_BYTES * 2;
        assert_eq!(of(&[large, 1, large, large]), [0..1, 1..2, 2..3, 3..4]);
        assert_eq!(of(&[SLICE_BYTES / 2, SLICE_BYTES / 2, 1]), [0..2, 2..3]);
        assert_eq!(of(&[0, 0, 0]), [0..3]);
    }
}
