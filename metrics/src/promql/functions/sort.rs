//! Order of an instant vector. Range queries are always in order of labels.

use std::cmp::Ordering;

use super::super::steps::{Grid, Line};

/// By value; NaN last either way. Histograms fall away.
pub(in crate::promql) fn sorted(
    mut lines: Vec<Line>,
    is_descending: bool,
    grid: Grid,
) -> Vec<Line> {
    for line in &mut lines {
        line.column.map_floats(|_, value| Some(value));
    }
    lines.retain(|line| !line.column.is_empty());
    if grid.n != 1 {
        return lines;
    }
    lines.sort_by(|a, b| {
        let value = |line: &Line| line.column.float(0).unwrap_or(f64::NAN);
        by_value(value(a), value(b), is_descending)
    });
    lines
}

/// NaN comes last.
pub(in crate::promql) fn by_value(a: f64, b: f64, is_descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if is_descending => b.total_cmp(&a),
        (false, false) => a.total_cmp(&b),
        (a, b) => a.cmp(&b),
    }
}

/// By labels, as people count (`a2` before `a10`); all labels where those are equal.
pub(in crate::promql) fn sorted_by_label(
    mut lines: Vec<Line>,
    names: &[String],
    is_descending: bool,
    grid: Grid,
) -> Vec<Line> {
    if grid.n != 1 {
        return lines;
    }
    lines.sort_by(|a, b| {
        let said = names
            .iter()
            .map(|name| natural(a.labels.get(name), b.labels.get(name)));
        let order = said
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.labels.cmp(&b.labels));
        if is_descending {
            order.reverse()
        } else {
            order
        }
    });
    lines
}

/// Digits compare as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (part_a, rest_a) = first_part(a);
        let (part_b, rest_b) = first_part(b);
        let order = match (part_a.is_empty(), part_b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => by_part(part_a, part_b),
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Digits, or what are none, at the beginning.
fn first_part(text: &str) -> (&str, &str) {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_number);
    text.split_at(end.unwrap_or(text.len()))
}

fn by_part(a: &str, b: &str) -> Ordering {
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    if is_number(a) && is_number(b) {
        let (digits_a, digits_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
        let by_size = digits_a.len().cmp(&digits_b.len());
        return by_size
            .then(digits_a.cmp(digits_b))
            .then(b.len().cmp(&a.len()));
    }
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_as_numbers() {
        for (a, b) in [
            ("a2", "a10"),
            ("", "a"),
            ("a", "a1"),
            ("1", "a"),
            ("a01", "a1"),
            ("9", "10"),
        ] {
            assert_eq!(natural(a, b), Ordering::Less, "{a} {b}");
        }
        assert_eq!(natural("a10b", "a10b"), Ordering::Equal);
    }
}
