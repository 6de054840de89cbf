//! `and`, `or` and `unless`: values stay or go by what the other side has at the same step.

use super::super::ast::{Binary, Op};
use super::super::eval::{Evaluation, Evaluator};
use super::super::merge;
use super::super::steps::{Grid, Line};
use super::signature::Signatures;

pub(super) fn eval(
    evaluator: &Evaluator<'_>,
    binary: &Binary,
    (mut lhs, mut rhs): (Vec<Line>, Vec<Line>),
    grid: Grid,
) -> Evaluation<Vec<Line>> {
    let mut signatures = Signatures::default();
    let of_lhs = signatures.of(&lhs, &binary.matching);
    let of_rhs = signatures.of(&rhs, &binary.matching);
    // the step, by signature, at which the other side had a value last
    let mut seen: Vec<usize> = vec![usize::MAX; signatures.len()];
    for idx in 0..grid.n {
        evaluator.work.operations((lhs.len() + rhs.len()) as u64)?;
        let (decides, by, gives, of) = match binary.op {
            Op::Or => (&lhs, &of_lhs, &mut rhs, &of_rhs),
            _ => (&rhs, &of_rhs, &mut lhs, &of_lhs),
        };
        for (line, signature) in decides.iter().zip(by) {
            if line.column.has(idx)
                && let Some(seen) = seen.get_mut(*signature)
            {
                *seen = idx;
            }
        }
        let stays_with_other = binary.op == Op::And;
        for (line, signature) in gives.iter_mut().zip(of) {
            let has_other = seen.get(*signature) == Some(&idx);
            if has_other != stays_with_other {
                line.column.clear(idx);
            }
        }
    }
    let mut kept = lhs;
    if binary.op == Op::Or {
        kept.extend(rhs);
    }
    kept.retain(|line| !line.column.is_empty());
    merge::merged(kept, evaluator.work)
}
