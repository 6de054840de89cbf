//! `info(v, {selector})`: the labels of `target_info` beside those of each series of the same `job` and `instance`.

use std::collections::HashMap;

use super::super::ast::{Call, ExprKind};
use super::super::error::PromqlError;
use super::super::eval::{Evaluation, Evaluator, Want, arg, without_name};
use super::super::fetch::Reader;
use super::super::merge;
use super::super::steps::{Grid, Line};
use crate::labels::NAME;
use crate::{Labels, Matcher};

/// Labels that say whom an info series is about.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

pub(in crate::promql) fn info(
    evaluator: &Evaluator<'_>,
    call: &Call,
    start: usize,
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let base = evaluator.vector(arg(call, 0)?, grid)?;
    let wanted: &[Matcher] = match call.args.get(1).map(|arg| &arg.inner().kind) {
        Some(ExprKind::Selector(selector)) => &selector.matchers,
        Some(_) => {
            return Err(PromqlError::Execution(
                "the second argument of info() must be a selector of labels".to_owned(),
            ));
        }
        None => &[],
    };
    let wanted: Vec<&Matcher> = wanted
        .iter()
        .filter(|matcher| matcher.name != NAME)
        .collect();
    let times: Vec<i64> = grid.times().collect();
    let mut infos = Vec::new();
    evaluator.each_newest_of(Reader::Info(start), &times, Want::Value, &mut |line| {
        infos.push(line);
        Ok(())
    })?;
    let mut by_identity: HashMap<Labels, Vec<&Line>> = HashMap::new();
    for info in &infos {
        by_identity
            .entry(identity(&info.labels))
            .or_default()
            .push(info);
    }
    let is_required = wanted.iter().any(|matcher| !matcher.matches(""));
    let mut enriched = merge::Lines::new(grid.n, evaluator.work);
    for line in &base {
        let is_info = infos.iter().any(|info| info.labels == line.labels);
        let about = by_identity.get(&identity(&line.labels));
        let about = about.map_or(&[][..], |about| about.as_slice());
        for idx in 0..grid.n {
            evaluator.work.operations(1 + about.len() as u64)?;
            let Some(cell) = line.column.get(idx) else {
                continue;
            };
            let present = about.iter().filter(|info| info.column.has(idx));
            let added = if is_info {
                Some(Vec::new())
            } else {
                added(&line.labels, present.copied(), &wanted)?
            };
            let Some(added) = added else {
                continue;
            };
            if added.is_empty() && is_required && !is_info {
                continue;
            }
            let labels = added
                .iter()
                .fold(line.labels.clone(), |labels, (name, value)| {
                    labels.with(name, value)
                });
            let out = enriched.find(labels, line.drop_name)?;
            if let Some(column) = enriched.column(out) {
                if column.has(idx) {
                    return Err(merge::same_labels());
                }
                column.put(idx, cell);
            }
        }
    }
    Ok(enriched.finish())
}

fn identity(labels: &Labels) -> Labels {
    labels.filtered(|name| IDENTIFYING.contains(&name))
}

/// Labels to be added. None if the matchers do not agree with any info series, so that the series falls away.
fn added<'a>(
    base: &Labels,
    infos: impl Iterator<Item = &'a Line>,
    wanted: &[&Matcher],
) -> Evaluation<Option<Vec<(String, String)>>> {
    let mut added: Vec<(String, String)> = Vec::new();
    let (mut n_infos, mut n_matched) = (0, 0);
    for info in infos {
        n_infos += 1;
        let labels = without_name(&info.labels);
        if !wanted
            .iter()
            .all(|matcher| matcher.matches(labels.get(&matcher.name)))
        {
            continue;
        }
        n_matched += 1;
        for (name, value) in labels.iter() {
            let is_wanted = wanted.is_empty() || wanted.iter().any(|matcher| matcher.name == name);
            if !is_wanted || !base.get(name).is_empty() {
                continue;
            }
            match added.iter().find(|(known, _)| known == name) {
                Some((_, known)) if known != value => {
                    return Err(PromqlError::Execution(format!(
                        "conflicting label: {name}; several info series say different things"
                    )));
                }
                Some(_) => {}
                None => added.push((name.to_owned(), value.to_owned())),
            }
        }
    }
    let all_optional = wanted.iter().all(|matcher| matcher.matches(""));
    if n_infos > 0 && n_matched == 0 && !all_optional {
        return Ok(None);
    }
    Ok(Some(added))
}
