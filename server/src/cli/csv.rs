//! Rows of data as CSV (RFC 4180): a head of names, then a line a row. In: JSON or text. Out: text whose lines are rows, whatever the values hold.

use serde_json::Value;

use super::print::{self, Safe};

/// A head and rows under it.
pub(super) struct Csv {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    pub(super) fn new(heads: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            heads: heads.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// A row for each of `items`, with the fields that `heads` name. Fields that are added to an API later do not move the others.
    pub(super) fn of_items<'a>(heads: &[&str], items: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut csv = Self::new(heads.iter().copied());
        for item in items {
            csv.row(heads.iter().map(|head| cell(&item[*head])));
        }
        csv
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The head, then a line a row.
    pub(super) fn lines(&self) -> Vec<String> {
        let all = std::iter::once(&self.heads).chain(&self.rows);
        all.map(|cells| line(cells)).collect()
    }

    /// False when nobody reads any more.
    pub(super) fn print(&self) -> bool {
        self.lines().iter().all(print::line)
    }

    /// Without the head, where it was printed before.
    pub(super) fn print_rows(&self) -> bool {
        self.lines().iter().skip(1).all(print::line)
    }
}

/// The list that an answer has under `key`; empty if it has none.
pub(super) fn items<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

/// A value as a cell: absent is empty, values of a list stand between semicolons.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(";"),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn line(cells: &[String]) -> String {
    let quoted: Vec<String> = cells.iter().map(|text| quoted(text)).collect();
    quoted.join(",")
}

/// Control characters, line ends among them, are written as escapes: a terminal is safe, and a line is a row. What a spreadsheet would take for a
/// formula has a `'` in front, which it takes for text.
fn quoted(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t']) && text.parse::<f64>().is_err();
    let mark = if is_formula { "'" } else { "" };
    let text = format!("{mark}{}", Safe(text));
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("@a", "'@a"),
            ("-cmd", "'-cmd"),
            ("\tx", "'\\tx"),
            ("+1,2", "\"'+1,2\""),
            ("-1.5", "-1.5"),
            ("+Inf", "+Inf"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(quoted(text), cell);
        }
    }

    #[test]
    fn items_are_rows_of_their_fields() {
        let items = [
            json!({"b": 1.5, "a": "x,\"y\"", "more": 0}),
            json!({"a": null, "b": ["p", "q"]}),
            json!({"a": "l\nm", "b": {"c": true}}),
        ];
        let csv = Csv::of_items(&["a", "b"], &items);
        assert_eq!(
            csv.lines(),
            [
                "a,b",
                "\"x,\"\"y\"\"\",1.5",
                ",p;q",
                "l\\nm,\"{\"\"c\"\":true}\""
            ]
        );
    }
}
