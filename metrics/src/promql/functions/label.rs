//! `label_replace` and `label_join`.

use super::super::ast::Call;
use super::super::error::PromqlError;
use super::super::eval::arg;
use super::super::eval::{Evaluation, Evaluator};
use super::super::merge;
use super::super::parse::regex;
use super::super::steps::{Grid, Line};
use crate::labels::NAME;

/// Longest label value that is made, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

pub(in crate::promql) fn label_replace(
    evaluator: &Evaluator<'_>,
    call: &Call,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let lines = evaluator.vector(arg(call, 0)?, grid)?;
    let text = |idx: usize| evaluator.text(arg(call, idx)?);
    let (target, template, source, pattern) = (text(1)?, text(2)?, text(3)?, text(4)?);
    let invalid = || {
        PromqlError::Execution(format!(
            "invalid regular expression in label_replace(): {pattern}"
        ))
    };
    let pattern = regex(&pattern).map_err(|_| invalid())?;
    check_name(&target, "label_replace")?;
    let relabel = |line: &Line| {
        let captures = pattern.captures(line.labels.get(&source))?;
        let mut value = String::new();
        captures.expand(&template, &mut value);
        Some(value)
    };
    relabeled(evaluator, lines, &target, relabel)
}

pub(in crate::promql) fn label_join(
    evaluator: &Evaluator<'_>,
    call: &Call,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let lines = evaluator.vector(arg(call, 0)?, grid)?;
    let texts: Evaluation<Vec<String>> = call
        .args
        .iter()
        .skip(1)
        .map(|arg| evaluator.text(arg))
        .collect();
    let texts = texts?;
    let Some((target, [separator, sources @ ..])) = texts.split_first() else {
        return Ok(lines);
    };
    check_name(target, "label_join")?;
    for source in sources {
        if source.is_empty() {
            return Err(PromqlError::Execution(
                "invalid source label name in label_join(): ".to_owned(),
            ));
        }
    }
    relabeled(evaluator, lines, target, |line| {
        let values: Vec<&str> = sources.iter().map(|name| line.labels.get(name)).collect();
        Some(values.join(separator))
    })
}

/// UTF-8 names are allowed, no name is not.
fn check_name(name: &str, function: &str) -> Result<(), PromqlError> {
    if name.is_empty() {
        return Err(PromqlError::Execution(format!(
            "invalid destination label name in {function}(): {name}"
        )));
    }
    Ok(())
}

fn relabeled(
    evaluator: &Evaluator<'_>,
    mut lines: Vec<Line>,
    target: &str,
    value_of: impl Fn(&Line) -> Option<String>,
) -> Evaluation<Vec<Line>> {
    for line in &mut lines {
        let Some(value) = value_of(line) else {
            continue;
        };
        if value.len() > VALUE_BYTES_MAX {
            return Err(PromqlError::Execution(format!(
                "a label value of more than {VALUE_BYTES_MAX} bytes"
            )));
        }
        evaluator.work.operations(1 + value.len() as u64 / 64)?;
        line.labels = line.labels.with(target, &value);
        if target == NAME {
            line.drop_name = false;
        }
    }
    merge::merged(lines, evaluator.work)
}
