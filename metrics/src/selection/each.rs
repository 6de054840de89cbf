//! Handing over a selection, slice by slice.

use std::ops::Range;
use std::sync::mpsc::sync_channel;

use hashbrown::HashSet;
use tokio::runtime::Handle;

use super::{SLICE_BYTES, Selection};
use crate::{Labels, Points, SelectError, SeriesData};

/// Points of the series of a slice.
type Read = Vec<Option<Points>>;

impl Selection {
    /// Hands over each series that has points. What was sent under a view's name counts before the view.
    pub(crate) fn each<E: From<SelectError>>(
        &self,
        take: &mut dyn FnMut(SeriesData) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut sent: HashSet<Labels> = HashSet::new();
        self.each_read(&mut |slice, read| -> Result<(), E> {
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
            Ok(())
        })?;
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

impl Selection {
    /// Reads slice after slice: while one is looked at, the next one is read.
    fn each_read<E: From<SelectError>>(
        &self,
        take: &mut dyn FnMut(Range<usize>, Read) -> Result<(), E>,
    ) -> Result<(), E> {
        let slices: Vec<Range<usize>> =
            slices(self.series.iter().map(|series| series.bytes)).collect();
        let read = |slice: &Range<usize>| self.read(&slice.clone().collect::<Vec<_>>());
        if slices.len() > 1 {
            let runtime = Handle::current();
            let ahead = std::thread::scope(|scope| {
                let (sender, receiver) = sync_channel(0);
                let slices = slices.clone();
                let reader = move || {
                    let _runtime = runtime.enter();
                    for slice in slices {
                        let read = read(&slice);
                        if sender.send((slice, read)).is_err() {
                            break; // nobody looks any more
                        }
                    }
                };
                let name = std::thread::Builder::new().name("read-ahead".to_owned());
                name.spawn_scoped(scope, reader).ok()?;
                let mut taken = Ok(());
                for (slice, read) in receiver {
                    taken = read.map_err(E::from).and_then(|read| take(slice, read));
                    if taken.is_err() {
                        break;
                    }
                }
                Some(taken)
            });
            if let Some(taken) = ahead {
                return taken;
            }
        }
        // one slice, or no thread to be had
        for slice in slices {
            let read = read(&slice)?;
            take(slice, read)?;
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
        let large = SLICE_BYTES * 2;
        assert_eq!(of(&[large, 1, large, large]), [0..1, 1..2, 2..3, 3..4]);
        assert_eq!(of(&[SLICE_BYTES / 2, SLICE_BYTES / 2, 1]), [0..2, 2..3]);
        assert_eq!(of(&[0, 1, SLICE_BYTES - 1, 1]), [0..3, 3..4]);
    }
}
