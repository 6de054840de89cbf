//! The critical path of a trace: which span its duration was spent in, moment by moment. Pure; nothing recurses.
//!
//! From the end of the root backwards: the child that ended last before the moment held its parent up until then, so the path goes through it; where no child
//! did, the time is the span's own. What a child did outside its parent's time (clocks that differ, work that nobody waited for) is no part of the path.

use crate::trace::tree::Place;

/// A span as the path sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timed {
    pub(super) start_unix_ns: u64,
    pub(super) end_unix_ns: u64,
    /// Whether nobody waits for its end: it consumes a message.
    pub(super) is_detached: bool,
}

/// A stretch of the path that is a span's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) span: usize,
    pub(super) from_unix_ns: u64,
    pub(super) to_unix_ns: u64,
}

/// A span that the path is in, from `from` to `end`: its time up to `at` is not told yet.
struct Frame {
    span: usize,
    from: u64,
    end: u64,
    at: u64,
    /// Children that were looked at, of those that end last first.
    n_seen: usize,
}

/// The path through the span `root`, in order of time, without gaps or overlaps, from its start to its end.
pub(super) fn path(spans: &[Timed], places: &[Place], root: usize) -> Vec<Segment> {
    let Some(first) = spans.get(root) else {
        return Vec::new();
    };
    let children = children(spans, places);
    let mut segments = Vec::new();
    let mut stack = vec![Frame {
        span: root,
        from: first.start_unix_ns,
        end: first.end_unix_ns,
        at: first.end_unix_ns,
        n_seen: 0,
    }];
    while let Some(frame) = stack.last_mut() {
        let of_span = children.get(frame.span).map_or(&[][..], Vec::as_slice);
        match next_child(spans, of_span, frame) {
            Some(child) => {
                push(&mut segments, frame.span, child.end, frame.at);
                frame.at = child.from;
                stack.push(child);
            }
            None => {
                push(&mut segments, frame.span, frame.from, frame.at);
                stack.pop();
            }
        }
    }
    segments.reverse();
    segments
}

fn push(segments: &mut Vec<Segment>, span: usize, from_unix_ns: u64, to_unix_ns: u64) {
    if from_unix_ns < to_unix_ns {
        segments.push(Segment {
            span,
            from_unix_ns,
            to_unix_ns,
        });
    }
}

/// The child that ended last before the frame's moment, within the frame's time.
fn next_child(spans: &[Timed], children: &[usize], frame: &mut Frame) -> Option<Frame> {
    let span_end = spans.get(frame.span)?.end_unix_ns;
    while let Some(&idx) = children.get(frame.n_seen) {
        frame.n_seen += 1;
        let Some(child) = spans.get(idx) else {
            continue;
        };
        let is_left_alone = child.is_detached && child.end_unix_ns > span_end;
        // Clocks of two machines differ a little: a child that outlives its parent's time is cut with it.
        let end = child.end_unix_ns.min(frame.end);
        let from = child.start_unix_ns.max(frame.from);
        if is_left_alone || end > frame.at || from >= end {
            continue;
        }
        return Some(Frame {
            span: idx,
            from,
            end,
            at: end,
            n_seen: 0,
        });
    }
    None
}

/// The children of each span, those that end last first.
fn children(spans: &[Timed], places: &[Place]) -> Vec<Vec<usize>> {
    let mut children = vec![Vec::new(); spans.len()];
    for (idx, place) in places.iter().enumerate() {
        if let Place::Under(parent) = place
            && let Some(of_parent) = children.get_mut(*parent)
        {
            of_parent.push(idx);
        }
    }
    for of_parent in &mut children {
        of_parent.sort_unstable_by_key(|&idx| {
            let span = spans.get(idx);
            let key = span.map(|span| (span.end_unix_ns, span.start_unix_ns));
            (std::cmp::Reverse(key), idx)
        });
    }
    children
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tree::{self, Link};
    use telemetry::SpanId;

    /// Spans as (parent, start, end); a parent of itself is none. An end after which stands `d` is of a consumer.
    fn run(spans: &[(usize, u64, u64, bool)]) -> Vec<(usize, u64, u64)> {
        let id = |idx: usize| SpanId((idx as u64 + 1).to_be_bytes());
        let links: Vec<Link> = spans
            .iter()
            .enumerate()
            .map(|(idx, (parent, start, ..))| Link {
                id: id(idx),
                parent: (*parent != idx).then(|| id(*parent)),
                start_unix_ns: *start,
            })
            .collect();
        let timed: Vec<Timed> = spans
            .iter()
            .map(|(_, start, end, is_detached)| Timed {
                start_unix_ns: *start,
                end_unix_ns: *end,
                is_detached: *is_detached,
            })
            .collect();
        let places = tree::places(&links);
        let Some(root) = tree::root(&links, &places) else {
            return Vec::new();
        };
        let segments = path(&timed, &places, root);
        let tuple = |s: &Segment| (s.span, s.from_unix_ns, s.to_unix_ns);
        segments.iter().map(tuple).collect()
    }

    #[track_caller]
    fn check(spans: &[(usize, u64, u64)], expected: &[(usize, u64, u64)]) {
        let spans: Vec<_> = spans.iter().map(|(p, s, e)| (*p, *s, *e, false)).collect();
        assert_eq!(run(&spans), expected);
    }

    #[test]
    fn the_path_goes_through_what_ended_last() {
        check(&[], &[]);
        check(&[(0, 0, 10)], &[(0, 0, 10)]);
        check(&[(0, 5, 5)], &[]);
        // one after another
        check(
            &[(0, 0, 10), (0, 1, 4), (0, 5, 9)],
            &[(0, 0, 1), (1, 1, 4), (0, 4, 5), (2, 5, 9), (0, 9, 10)],
        );
        // side by side: the longer one
        check(
            &[(0, 0, 10), (0, 1, 4), (0, 1, 9)],
            &[(0, 0, 1), (2, 1, 9), (0, 9, 10)],
        );
        // overlapping: the one that ended last, and nothing that it did not wait for
        check(
            &[(0, 0, 10), (0, 1, 6), (0, 5, 9)],
            &[(0, 0, 5), (2, 5, 9), (0, 9, 10)],
        );
        // three deep
        check(
            &[(0, 0, 10), (0, 2, 8), (1, 3, 7)],
            &[(0, 0, 2), (1, 2, 3), (2, 3, 7), (1, 7, 8), (0, 8, 10)],
        );
    }

    #[test]
    fn clocks_that_differ_leave_no_gap_and_no_overlap() {
        // ends after its parent: cut with it, as is what it called
        check(
            &[(0, 0, 10), (0, 5, 12), (1, 6, 11)],
            &[(0, 0, 5), (1, 5, 6), (2, 6, 10)],
        );
        // begins before its parent
        check(&[(0, 5, 10), (0, 3, 7)], &[(1, 5, 7), (0, 7, 10)]);
        // outside altogether
        check(&[(0, 5, 10), (0, 20, 30), (0, 1, 2)], &[(0, 5, 10)]);
        // ends before it starts
        check(&[(0, 0, 10), (0, 6, 3)], &[(0, 0, 10)]);
    }

    #[test]
    fn nobody_waits_for_a_consumer_that_outlives_its_producer() {
        let spans = [(0, 0, 10, false), (0, 5, 40, true)];
        assert_eq!(run(&spans), [(0, 0, 10)]);
        let spans = [(0, 0, 10, false), (0, 5, 8, true)];
        assert_eq!(run(&spans), [(0, 0, 5), (1, 5, 8), (0, 8, 10)]);
    }

    #[test]
    fn a_chain_of_100_000_ends() {
        let n = 100_000;
        let spans: Vec<_> = (0..n)
            .map(|idx: usize| {
                (
                    idx.saturating_sub(1),
                    idx as u64,
                    400_000 - idx as u64,
                    false,
                )
            })
            .collect();
        let path = run(&spans);
        assert_eq!(path.len(), 2 * n - 1);
    }

    proptest! {
        #[test]
        fn the_path_covers_the_root_without_gap_or_overlap(
            spans in prop::collection::vec((0_usize..20, 0_u64..50, 0_u64..50, any::<bool>()), 1..20)
        ) {
            // the first is the only root
            let spans: Vec<_> = spans
                .iter()
                .enumerate()
                .map(|(idx, (parent, start, length, detached))| (parent % idx.max(1), *start, start + length, *detached))
                .collect();
            let (_, start, end, _) = spans[0];
            let path = run(&spans);
            let mut at = start;
            for (span, from, to) in path {
                prop_assert_eq!(from, at);
                prop_assert!(from < to);
                let (_, span_start, span_end, _) = spans[span];
                prop_assert!(span_start <= from && to <= span_end);
                at = to;
            }
            prop_assert_eq!(at, end);
        }
    }
}
