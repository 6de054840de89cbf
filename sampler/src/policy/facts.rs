//! What the rules need to know of a trace, folded in span by span, so that a decision looks at no span.

use std::collections::BTreeSet;

use telemetry::wire::SpanView;
use telemetry::{SpanId, TraceId};

use super::RuleList;
use super::threshold::OtState;
use super::when::Whom;
use crate::shard::Settled;

/// Most services of one trace that are remembered by name.
pub const SERVICES_MAX: usize = 100;
/// Longest name that is remembered, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// A bit for each block of a list of rules.
pub type Bits = [u64; 2];

/// A settled trace, as `when` asks about it.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub bits: Bits,
    /// Equal spans count once.
    pub span_count: u32,
    pub error_count: u32,
    pub bytes: u64,
    /// Latest end − earliest start.
    pub duration_ns: u64,
    pub has_root: bool,
    pub settled: Settled,
    /// R, of 56 bits.
    pub randomness: u64,
    /// T of the trace as it came.
    pub threshold_in: u64,
    pub extras: Option<&'a Extras>,
}

/// What only some rules or some traces need; most open traces have none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extras {
    pub(crate) root_service: Box<str>,
    pub(crate) root_name: Box<str>,
    pub(crate) root_duration_ns: u64,
    pub(crate) exception_count: u32,
    pub(crate) services: BTreeSet<Box<str>>,
    root: OtState,
    least_threshold: Option<u64>,
    /// Randomness of the lowest span id that has one.
    lowest: Option<(SpanId, u64)>,
    /// Every parent that a span named, and every span that met a `leaf` block: whether it is a leaf is known at the end.
    parents: Vec<SpanId>,
    leaves: Vec<(u8, SpanId)>,
}

/// Facts that a list of rules names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    pub(crate) services: bool,
    pub(crate) exceptions: bool,
    pub(crate) root: bool,
    pub(crate) leaves: bool,
}

impl Needs {
    fn any(self) -> bool {
        self != Self::default()
    }
}

impl RuleList {
    /// Adds what a span says. `is_root`: it is the first without a parent.
    pub fn fold(
        &self,
        bits: &mut Bits,
        extras: &mut Option<Box<Extras>>,
        span: &SpanView<'_>,
        is_root: bool,
    ) {
        for (place, block) in self.blocks.iter().enumerate() {
            if is_set(bits, place) || (block.whom == Whom::Root && !is_root) {
                continue;
            }
            let met = block.expr.matches(span);
            match block.whom {
                Whom::Leaf if met => {
                    let leaves = &mut extras.get_or_insert_default().leaves;
                    leaves.push((
                        u8::try_from(place).expect("at most 128 blocks"),
                        span.span_id(),
                    ));
                }
                Whom::Leaf => {}
                Whom::All => set(bits, place, !met),
                Whom::Any | Whom::None | Whom::Root => set(bits, place, met),
            }
        }
        if self.needs.any() {
            extras
                .get_or_insert_default()
                .fold(self.needs, span, is_root);
        }
        // most tracestates are empty
        if !span.trace_state().is_empty() {
            let ot = OtState::parse(span.trace_state());
            if ot != OtState::default() {
                extras
                    .get_or_insert_default()
                    .fold_ot(ot, span.span_id(), is_root);
            }
        }
    }
}

fn is_set(bits: &Bits, place: usize) -> bool {
    bits.get(place / 64)
        .is_some_and(|word| word >> (place % 64) & 1 == 1)
}

fn set(bits: &mut Bits, place: usize, value: bool) {
    if let Some(word) = bits.get_mut(place / 64) {
        *word |= u64::from(value) << (place % 64);
    }
}

impl Facts<'_> {
    pub(super) fn is_set(&self, place: usize) -> bool {
        is_set(&self.bits, place)
    }

    /// Whether a span that met the `leaf` block at this place has no child.
    pub(super) fn has_leaf(&self, place: usize) -> bool {
        let Some(extras) = self.extras else {
            return false;
        };
        let parents: BTreeSet<&SpanId> = extras.parents.iter().collect();
        extras
            .leaves
            .iter()
            .any(|(of, id)| usize::from(*of) == place && !parents.contains(id))
    }
}

impl Extras {
    fn fold(&mut self, needs: Needs, span: &SpanView<'_>, is_root: bool) {
        if needs.services && self.services.len() < SERVICES_MAX {
            let name = cut(span.resource().service_name().unwrap_or(""));
            if !name.is_empty() && !self.services.contains(name) {
                self.services.insert(name.into());
            }
        }
        if needs.exceptions {
            let n = span
                .events()
                .filter(|event| event.name() == "exception")
                .count();
            self.exception_count = self
                .exception_count
                .saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        }
        if needs.root && is_root {
            self.root_service = cut(span.resource().service_name().unwrap_or("")).into();
            self.root_name = cut(span.name()).into();
            self.root_duration_ns = span.duration_ns();
        }
        if needs.leaves
            && let Some(parent) = span.parent_span_id()
        {
            self.parents.push(parent);
        }
    }

    fn fold_ot(&mut self, ot: OtState, id: SpanId, is_root: bool) {
        if is_root {
            self.root = ot;
        }
        if let Some(threshold) = ot.threshold {
            self.least_threshold = Some(
                self.least_threshold
                    .map_or(threshold, |least| least.min(threshold)),
            );
        }
        if let Some(randomness) = ot.randomness
            && self.lowest.is_none_or(|(lowest, _)| id < lowest)
        {
            self.lowest = Some((id, randomness));
        }
    }
}

/// R of a trace: the root's own, else that of the lowest span id with one, else the id's.
#[must_use]
pub fn randomness(id: TraceId, extras: Option<&Extras>) -> u64 {
    let own = extras.and_then(|extras| {
        extras
            .root
            .randomness
            .or(extras.lowest.map(|(_, randomness)| randomness))
    });
    own.unwrap_or_else(|| id.randomness_56())
}

/// T of a trace as it came: the root's, else the smallest of its spans.
#[must_use]
pub fn threshold_in(extras: Option<&Extras>) -> u64 {
    extras
        .and_then(|extras| extras.root.threshold.or(extras.least_threshold))
        .unwrap_or(0)
}

/// The beginning of a name, at most [`NAME_BYTES_MAX`].
fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES_MAX))
        .unwrap_or(name)
}
