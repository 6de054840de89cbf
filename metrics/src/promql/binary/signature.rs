//! Signatures: the labels by which series of both sides are matched, as numbers.

use std::collections::HashMap;

use super::super::ast::Matching;
use super::super::steps::Line;
use crate::Labels;
use crate::labels::NAME;

/// Numbers of signatures; equal ones have equal numbers.
#[derive(Default)]
pub(super) struct Signatures {
    by_labels: HashMap<Labels, usize>,
}

impl Signatures {
    /// The signature of each line.
    pub(super) fn of(&mut self, lines: &[Line], matching: &Matching) -> Vec<usize> {
        lines
            .iter()
            .map(|line| {
                let labels = signature(&line.labels, matching);
                let next = self.by_labels.len();
                *self.by_labels.entry(labels).or_insert(next)
            })
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_labels.len()
    }
}

pub(super) fn signature(labels: &Labels, matching: &Matching) -> Labels {
    let is_named = |name: &str| matching.labels.iter().any(|label| label == name);
    if matching.is_on {
        labels.filtered(is_named)
    } else {
        labels.filtered(|name| name != NAME && !is_named(name))
    }
}
