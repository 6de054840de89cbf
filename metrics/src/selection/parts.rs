//! Which parts a series has: a number in a block or a head, for each that knows it. In: parts as sources are walked. Out: those of a series, in order of
//! sources.

use crate::series::Kind;

/// A series as one source knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Twice the number of the source; one more if it has windows.
    source_and_kind: u32,
    /// Its number there.
    pub(super) series: u32,
}

impl Part {
    pub(super) fn new(source: usize, kind: Kind, series: u32) -> Self {
        let source = u32::try_from(source).unwrap_or(u32::MAX >> 1);
        Self {
            source_and_kind: source << 1 | u32::from(kind == Kind::Windows),
            series,
        }
    }

    pub(super) fn source(self) -> usize {
        (self.source_and_kind >> 1) as usize
    }

    pub(super) fn kind(self) -> Kind {
        if self.source_and_kind & 1 == 1 {
            Kind::Windows
        } else {
            Kind::Samples
        }
    }
}

/// Parts of many series, 8 bytes each.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: Vec<Part>,
    /// Where those of a series end.
    ends: Vec<u32>,
}

impl Parts {
    /// `found` are parts with the place of their series, in order of sources; `ranks` says where a place comes to stand.
    pub(super) fn new(found: &[(u32, Part)], ranks: &[u32]) -> Self {
        let mut ends = vec![0u32; ranks.len()];
        let rank = |place: u32| ranks.get(place as usize).copied().unwrap_or_default() as usize;
        for (place, _) in found {
            if let Some(n) = ends.get_mut(rank(*place)) {
                *n += 1;
            }
        }
        let mut end = 0;
        let mut next = Vec::with_capacity(ends.len());
        for slot in &mut ends {
            next.push(end);
            end += *slot;
            *slot = end;
        }
        let nowhere = Part {
            source_and_kind: 0,
            series: 0,
        };
        let mut parts = vec![nowhere; found.len()];
        for (place, part) in found {
            if let Some(at) = next.get_mut(rank(*place)) {
                if let Some(slot) = parts.get_mut(*at as usize) {
                    *slot = *part;
                }
                *at += 1;
            }
        }
        Self { parts, ends }
    }

    pub(super) fn of(&self, series: usize) -> &[Part] {
        let before = series.checked_sub(1).and_then(|idx| self.ends.get(idx));
        let start = before.copied().unwrap_or_default() as usize;
        let end = self.ends.get(series).copied().unwrap_or_default() as usize;
        self.parts.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_series_lie_together_in_order_of_sources() {
        let part = |source, series| Part::new(source, Kind::Samples, series);
        let found = [
            (0, part(0, 7)),
            (1, part(0, 8)),
            (1, part(1, 3)),
            (2, part(1, 4)),
            (0, Part::new(5, Kind::Windows, 9)),
        ];
        // the second one found comes first
        let parts = Parts::new(&found, &[2, 0, 1]);
        assert_eq!(parts.of(0), [part(0, 8), part(1, 3)]);
        assert_eq!(parts.of(1), [part(1, 4)]);
        let of_last: Vec<_> = parts.of(2).iter().map(|p| (p.source(), p.kind())).collect();
        assert_eq!(of_last, [(0, Kind::Samples), (5, Kind::Windows)]);
        assert_eq!(parts.of(3), []);
    }
}
