//! Lines of the same labels become one. In: lines whose labels changed. Out: lines of different labels, in order of their first.

use std::collections::HashMap;

use super::error::PromqlError;
use super::eval::Evaluation;
use super::steps::{Column, Line};
use super::work::Work;
use crate::Labels;

/// Lines by labels: found, or made.
pub(super) struct Lines<'a> {
    lines: Vec<Line>,
    by_labels: HashMap<Labels, usize>,
    n: usize,
    work: &'a Work,
}

impl<'a> Lines<'a> {
    /// For columns of `n` steps.
    pub(super) fn new(n: usize, work: &'a Work) -> Self {
        Self {
            lines: Vec::new(),
            by_labels: HashMap::new(),
            n,
            work,
        }
    }

    /// The number of the line with these labels.
    pub(super) fn find(&mut self, labels: Labels, drop_name: bool) -> Evaluation<usize> {
        if let Some(idx) = self.by_labels.get(&labels) {
            return Ok(*idx);
        }
        self.work.operations(self.n as u64)?;
        let idx = self.lines.len();
        self.by_labels.insert(labels.clone(), idx);
        self.lines.push(Line {
            labels,
            drop_name,
            column: Column::absent(self.n, self.work),
        });
        Ok(idx)
    }

    pub(super) fn column(&mut self, idx: usize) -> Option<&mut Column> {
        self.lines.get_mut(idx).map(|line| &mut line.column)
    }

    /// Lines with a value somewhere.
    pub(super) fn finish(self) -> Vec<Line> {
        let mut lines = self.lines;
        lines.retain(|line| !line.column.is_empty());
        lines
    }
}

/// One line for each labels.
///
/// # Errors
/// When two have a value at the same step.
pub(super) fn merged(lines: Vec<Line>, work: &Work) -> Evaluation<Vec<Line>> {
    let mut kept: Vec<Line> = Vec::with_capacity(lines.len());
    let mut by_labels: HashMap<Labels, usize> = HashMap::with_capacity(lines.len());
    for line in lines {
        let known = by_labels.get(&line.labels).copied();
        match known.and_then(|idx| kept.get_mut(idx)) {
            Some(first) => join(&mut first.column, &line.column, work)?,
            None => {
                by_labels.insert(line.labels.clone(), kept.len());
                kept.push(line);
            }
        }
    }
    Ok(kept)
}

fn join(to: &mut Column, from: &Column, work: &Work) -> Evaluation<()> {
    work.operations(from.len() as u64)?;
    for idx in 0..from.len() {
        let Some(cell) = from.get(idx) else {
            continue;
        };
        if to.has(idx) {
            return Err(same_labels());
        }
        to.put(idx, cell);
    }
    Ok(())
}

pub(super) fn same_labels() -> PromqlError {
    PromqlError::Execution("vector cannot contain metrics with the same labelset".to_owned())
}
