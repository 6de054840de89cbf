//! Arithmetic and comparisons between two vectors: which series belong together, and what the result is called.

use std::collections::{HashMap, HashSet};

use super::super::ast::{Binary, Grouping, Matching};
use super::super::error::PromqlError;
use super::super::eval::{Evaluation, Evaluator, without_name};
use super::super::format::quoted;
use super::super::merge;
use super::super::steps::{Cell, Grid, Line};
use super::drops_name;
use super::operator::{Outcome, apply, one_or_zero};
use super::signature::{Signatures, signature};
use crate::{Labels, Value};

/// Both sides, the "one" on the right: `group_right` is turned around.
struct Sides<'a> {
    many: &'a [Line],
    one: &'a [Line],
    of_many: Vec<usize>,
    of_one: Vec<usize>,
    is_turned: bool,
}

pub(super) fn eval(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    (lhs, rhs): (&[Line], &[Line]),
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let mut signatures = Signatures::default();
    let is_turned = binary.matching.grouping == Grouping::Right;
    let (many, one) = if is_turned { (rhs, lhs) } else { (lhs, rhs) };
    let sides = Sides {
        of_many: signatures.of(many, &binary.matching),
        of_one: signatures.of(one, &binary.matching),
        many,
        one,
        is_turned,
    };
    let mut matched = Matched {
        evaluator,
        binary,
        out: merge::Lines::new(grid.n, evaluator.work),
        out_of_pair: HashMap::new(),
        one_by_signature: vec![None; signatures.len()],
        many_seen: HashSet::new(),
    };
    for idx in 0..grid.n {
        matched.step(&sides, idx)?;
    }
    Ok(matched.out.finish())
}

struct Matched<'a> {
    evaluator: &'a Evaluator<'a>,
    binary: &'a Binary,
    out: merge::Lines<'a>,
    /// The line of the result by the numbers of both.
    out_of_pair: HashMap<(usize, usize), usize>,
    /// At this step.
    one_by_signature: Vec<Option<usize>>,
    many_seen: HashSet<usize>,
}

impl Matched<'_> {
    fn step(&mut self, sides: &Sides<'_>, idx: usize) -> Evaluation<()> {
        let n = sides.many.len() + sides.one.len();
        self.evaluator.work.operations(n as u64)?;
        let has_values = |lines: &[Line]| lines.iter().any(|line| line.column.has(idx));
        if !has_values(sides.many) || !has_values(sides.one) {
            return Ok(());
        }
        self.find_one(sides, idx)?;
        self.many_seen.clear();
        let is_grouped = self.binary.matching.grouping != Grouping::None;
        for (number, line) in sides.many.iter().enumerate() {
            let (Some(cell), Some(signature)) = (line.column.get(idx), sides.of_many.get(number))
            else {
                continue;
            };
            let one = self.one_by_signature.get(*signature).copied().flatten();
            let Some(one) = one else {
                continue;
            };
            let Some(other) = sides.one.get(one) else {
                continue;
            };
            let Some(other_cell) = other.column.get(idx) else {
                continue;
            };
            let cells = if sides.is_turned {
                (other_cell, cell)
            } else {
                (cell, other_cell)
            };
            let Some(value) = self.value(cells) else {
                continue;
            };
            if !is_grouped && !self.many_seen.insert(*signature) {
                return Err(PromqlError::Execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                        .to_owned(),
                ));
            }
            let out = self.out_of(number, one, (line, other))?;
            if let Some(column) = self.out.column(out) {
                if column.has(idx) {
                    return Err(PromqlError::Execution(
                        "multiple matches for labels: grouping labels must ensure unique matches"
                            .to_owned(),
                    ));
                }
                column.set(idx, value);
            }
        }
        Ok(())
    }

    /// The line of the "one" side by signature.
    fn find_one(&mut self, sides: &Sides<'_>, idx: usize) -> Evaluation<()> {
        self.one_by_signature.fill(None);
        for (number, line) in sides.one.iter().enumerate() {
            if !line.column.has(idx) {
                continue;
            }
            let signature = sides.of_one.get(number);
            let slot = signature.and_then(|signature| self.one_by_signature.get_mut(*signature));
            let Some(slot) = slot else {
                continue;
            };
            if let Some(first) = slot.replace(number) {
                return Err(self.twice(sides, first, line));
            }
        }
        Ok(())
    }

    fn twice(&self, sides: &Sides<'_>, first: usize, line: &Line) -> PromqlError {
        let side = if sides.is_turned { "left" } else { "right" };
        let matching = &self.binary.matching;
        let first = sides.one.get(first).map(|first| text(&first.labels));
        PromqlError::Execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            text(&signature(&line.labels, matching)),
            text(&line.labels),
            first.unwrap_or_default(),
        ))
    }

    fn value(&self, (lhs, rhs): (Cell<'_>, Cell<'_>)) -> Option<Value> {
        match apply(self.binary.op, lhs, rhs, self.evaluator.notes) {
            Outcome::Value(value) => Some(value),
            Outcome::Compared(is_so) if self.binary.is_bool => Some(one_or_zero(is_so)),
            Outcome::Compared(true) => Some(lhs.to_value()),
            Outcome::Compared(false) | Outcome::None => None,
        }
    }

    /// The line that a pair gives.
    fn out_of(
        &mut self,
        many: usize,
        one: usize,
        (line, other): (&Line, &Line),
    ) -> Evaluation<usize> {
        if let Some(out) = self.out_of_pair.get(&(many, one)) {
            return Ok(*out);
        }
        let mut labels = labels_of(self.binary, &line.labels, &other.labels);
        let mut drop_name = line.drop_name;
        if drops_name(self.binary.op, self.binary.is_bool) {
            if self.evaluator.delayed_name_removal {
                drop_name = true;
            } else {
                labels = without_name(&labels);
            }
        }
        let out = self.out.find(labels, drop_name)?;
        self.out_of_pair.insert((many, one), out);
        Ok(out)
    }
}

/// The labels of the result: what was matched on, or all of the many with what they take from the one.
fn labels_of(binary: &Binary, many: &Labels, one: &Labels) -> Labels {
    let matching: &Matching = &binary.matching;
    let is_named = |name: &str| matching.labels.iter().any(|label| label == name);
    match matching.grouping {
        Grouping::None if matching.is_on => many.filtered(is_named),
        Grouping::None => many.filtered(|name| !is_named(name)),
        Grouping::Left | Grouping::Right => {
            let include = matching.include.iter();
            include.fold(many.clone(), |labels, name| {
                labels.with(name, one.get(name))
            })
        }
    }
}

/// `{a="b", c="d"}`.
fn text(labels: &Labels) -> String {
    let pairs = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}
