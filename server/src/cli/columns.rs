//! Columns of text: each as wide as its widest cell, numbers to the right.

/// A line of cells; what begins with a digit or is a dash stands to the right.
pub(super) struct Columns {
    heads: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Columns {
    pub(super) fn new(heads: &'static [&'static str]) -> Self {
        Self {
            heads,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The head, then a line a row.
    pub(super) fn lines(&self) -> Vec<String> {
        let heads = self.heads.iter().map(|head| (*head).to_owned()).collect();
        let all: Vec<&Vec<String>> = std::iter::once(&heads).chain(&self.rows).collect();
        let width = |at: usize| {
            let cells = all.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let is_number = |at: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '–'))
        };
        let right: Vec<bool> = (0..self.heads.len()).map(is_number).collect();
        let line = |row: &&Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&right);
            let padded = cells.map(|((cell, width), right)| {
                if *right && !self.rows.is_empty() {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        all.iter().map(line).collect()
    }
}

/// Calls a second, with three digits.
pub(super) fn rate(per_s: f64) -> String {
    digits(per_s)
}

/// A share as percent; a dash if nothing was counted.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "–".to_owned(),
        |share| format!("{} %", digits(share * 100.0)),
    )
}

/// Seconds in the unit that suits them; a dash if nothing was counted.
pub(super) fn seconds(s: Option<f64>) -> String {
    let Some(s) = s else { return "–".to_owned() };
    if s >= 1.0 || s == 0.0 {
        format!("{} s", digits(s))
    } else if s >= 0.001 {
        format!("{} ms", digits(s * 1e3))
    } else {
        format!("{} µs", digits(s * 1e6))
    }
}

/// Digits after the point at most.
const AFTER_POINT_MAX: usize = 9;

/// Three digits that count, or all before the point.
fn digits(number: f64) -> String {
    let (mut n_after, mut scaled) = (0, number.abs());
    while scaled != 0.0 && scaled < 100.0 && n_after < AFTER_POINT_MAX {
        scaled *= 10.0;
        n_after += 1;
    }
    format!("{number:.n_after$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_absent_ones_are_dashes() {
        let mut columns = Columns::new(&["name", "rate"]);
        columns.row(vec!["größe".to_owned(), rate(12.34)]);
        columns.row(vec!["b".to_owned(), "–".to_owned()]);
        assert_eq!(
            columns.lines(),
            ["name   rate", "größe  12.3", "b         –"]
        );
        assert_eq!(Columns::new(&["a", "b"]).lines(), ["a  b"]);
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (s, text) in [
            (Some(0.0), "0 s"),
            (Some(2.5), "2.50 s"),
            (Some(0.012_34), "12.3 ms"),
            (Some(0.000_012_3), "12.3 µs"),
            (None, "–"),
        ] {
            assert_eq!(seconds(s), text);
        }
        assert_eq!(percent(Some(0.125)), "12.5 %");
        for (per_s, text) in [
            (0.0, "0"),
            (1234.5, "1234"),
            (1.0, "1.00"),
            (0.000_278, "0.000278"),
            (1e-12, "0.000000000"),
        ] {
            assert_eq!(rate(per_s), text);
        }
    }
}
