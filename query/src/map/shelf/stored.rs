//! Spots as they are stored: one text a node, a line each (docs/formats/map-spots.md).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use service_map::layout::{Spot, Spots};

use super::View;

/// The first line.
const HEAD: &str = "tracewell map spots 1";
/// Spots that are remembered at most; the ones that were not seen for longest go.
const SPOTS_MAX: usize = 2_000;
/// Bytes of them at most: a value of the block store has 1 MiB.
const BYTES_MAX: usize = 1_000_000;
/// How long a node that is not drawn keeps its place.
const LIFE_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// Places of nodes, with when each was last drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stored {
    spots: BTreeMap<String, (Spot, i64)>,
}

/// Why stored spots are not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SpotsError {
    #[error("it does not begin with {HEAD:?}")]
    Head,
    #[error("line {line} is no spot")]
    Line { line: usize },
}

/// Key of a view's whole map.
pub(super) fn key_of(view: &View) -> String {
    format!("{}/{}", view.tenant.as_str(), view.group)
}

impl Stored {
    pub(super) fn spots(&self) -> Spots {
        let spot = |(id, (spot, _)): (&String, &(Spot, i64))| (id.clone(), *spot);
        self.spots.iter().map(spot).collect()
    }

    /// Notes what is drawn now.
    pub(super) fn note(&mut self, spots: &Spots, now_unix_ms: i64) {
        for (id, spot) in spots {
            self.spots.insert(id.clone(), (*spot, now_unix_ms));
        }
        let bytes = |id: &str| id.len() + 64;
        let mut newest: Vec<(i64, &String)> = self
            .spots
            .iter()
            .map(|(id, (_, seen))| (seen.saturating_neg(), id))
            .collect();
        newest.sort_unstable();
        let mut n_bytes = 0;
        let kept: std::collections::BTreeSet<String> = newest
            .into_iter()
            .take(SPOTS_MAX)
            .map(|(_, id)| id.clone())
            .take_while(|id| {
                n_bytes += bytes(id);
                n_bytes <= BYTES_MAX
            })
            .collect();
        self.spots.retain(|id, _| kept.contains(id));
    }

    /// Forgets what was not drawn for long.
    pub(super) fn forget(&mut self, now_unix_ms: i64) {
        let since = now_unix_ms.saturating_sub(LIFE_MS);
        self.spots.retain(|_, (_, seen)| *seen >= since);
    }

    pub(super) fn encode(&self) -> String {
        let mut text = format!("{HEAD}\n");
        for (id, (spot, seen)) in &self.spots {
            let id = id.replace('\\', "\\\\");
            let id = id.replace('\n', "\\n").replace('\r', "\\r");
            let written = writeln!(text, "{} {} {seen} {id}", spot.layer, spot.y);
            debug_assert!(written.is_ok(), "a text takes everything");
        }
        text
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SpotsError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SpotsError::Head)?;
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(SpotsError::Head);
        }
        let mut stored = Self::default();
        for (at, line) in lines.enumerate().take(SPOTS_MAX) {
            let (id, spot) = spot_of(line).ok_or(SpotsError::Line { line: at + 2 })?;
            stored.spots.insert(id, spot);
        }
        Ok(stored)
    }
}

fn spot_of(line: &str) -> Option<(String, (Spot, i64))> {
    let mut parts = line.splitn(4, ' ');
    let spot = Spot {
        layer: parts.next()?.parse().ok()?,
        y: parts.next()?.parse().ok()?,
    };
    let seen = parts.next()?.parse().ok()?;
    Some((unescaped(parts.next()?), (spot, seen)))
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spots(ids: &[String]) -> Spots {
        let spot = |(at, id): (usize, &String)| {
            let at = i32::try_from(at).expect("few");
            (
                id.clone(),
                Spot {
                    layer: -at,
                    y: at * 56,
                },
            )
        };
        ids.iter().enumerate().map(spot).collect()
    }

    proptest! {
        #[test]
        fn spots_come_back(ids in proptest::collection::vec("\\PC*|[\\\\nr \n\r]*", 0..20), now in 0i64..i64::MAX) {
            let mut stored = Stored::default();
            stored.note(&spots(&ids), now);
            prop_assert_eq!(Stored::decode(stored.encode().as_bytes()), Ok(stored));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut with_head = format!("{HEAD}\n").into_bytes();
            with_head.extend(&bytes);
            drop((Stored::decode(&bytes), Stored::decode(&with_head)));
        }
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let ids: Vec<String> = (0..SPOTS_MAX + 5)
            .map(|n| format!("service:{n:05}"))
            .collect();
        let mut stored = Stored::default();
        stored.note(&spots(&ids[..10]), 1);
        stored.note(&spots(&ids[10..]), 2);
        assert_eq!(stored.spots.len(), SPOTS_MAX);
        assert!(!stored.spots.contains_key("service:00009"));
        stored.forget(LIFE_MS + 2);
        assert_eq!(stored.spots.len(), SPOTS_MAX - 5);
        stored.forget(LIFE_MS + 3);
        assert!(stored.spots.is_empty());
        let long = ["x".repeat(600_000), "y".repeat(600_000)];
        stored.note(&spots(&long), 3);
        assert_eq!(stored.spots.len(), 1);
    }
}
