//! A table on stdout: a title with its boundary, columns aligned, one row a thing measured.

use std::io::{self, Write};

/// Rows of text under headings.
#[derive(Debug)]
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    #[must_use]
    pub fn new(title: impl Into<String>, headings: &[&str]) -> Self {
        Self {
            title: title.into(),
            rows: vec![headings.iter().map(|&text| text.to_owned()).collect()],
            notes: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// A line below the table: what the figures hold for.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Prints it.
    ///
    /// # Errors
    /// When stdout is closed.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.text().as_bytes())?;
        out.flush()
    }

    fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let mut text = format!("\n{}\n", self.title);
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(i, (cell, &width))| {
                if i == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            text += &format!("  {}\n", cells.collect::<Vec<_>>().join("   ").trim_end());
        }
        for note in &self.notes {
            text += &format!("  {note}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_notes_follow() {
        let mut table = Table::new("walk", &["side", "ns"]);
        table.row(["prost", "2850"]);
        table.row(["us", "170"]);
        table.note("one core");
        assert_eq!(
            table.text(),
            "\nwalk\n  side      ns\n  prost   2850\n  us       170\n  one core\n"
        );
    }
}
