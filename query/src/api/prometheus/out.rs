//! JSON that is written piece by piece, so that a long answer is given up before it is made.

use std::fmt::Arguments;
use std::io::Write;

use ::metrics::Labels;

use super::number::{Float, Seconds};
use crate::refusal::{Kind, Refusal};

/// JSON under way.
pub(super) struct Out {
    bytes: Vec<u8>,
    bytes_max: u64,
}

impl Out {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
        }
    }

    /// What was written, if it is not too long.
    pub(super) fn done(self) -> Result<Vec<u8>, Refusal> {
        self.check()?;
        Ok(self.bytes)
    }

    pub(super) fn raw(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    pub(super) fn put(&mut self, json: Arguments<'_>) {
        // Memory takes whatever is written into it.
        let _written = self.bytes.write_fmt(json);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.put(format_args!("{}", serde_json::Value::from(text)));
    }

    /// A number as text: JSON has no `NaN`, and a client reads all digits.
    pub(super) fn float(&mut self, value: f64) {
        self.put(format_args!("\"{}\"", Float(value)));
    }

    pub(super) fn point(&mut self, at_unix_ms: i64, value: impl FnOnce(&mut Self)) {
        self.put(format_args!("[{},", Seconds(at_unix_ms)));
        value(self);
        self.raw("]");
    }

    /// A list whose length in bytes is looked at after each item.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        item: impl Fn(&mut Self, T) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.raw("[");
        for (i, one) in items.into_iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            item(self, one)?;
            self.check()?;
        }
        self.raw("]");
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.bytes.len() as u64 <= self.bytes_max {
            return Ok(());
        }
        let text = format!(
            "the answer has over {} bytes; ask for fewer series or points",
            self.bytes_max
        );
        Err(Refusal::new(Kind::TooLarge, text))
    }

    /// An object of text.
    pub(super) fn labels(&mut self, labels: &Labels) {
        self.raw("{");
        for (i, (name, value)) in labels.iter().enumerate() {
            if i > 0 {
                self.raw(",");
            }
            self.text(name);
            self.raw(":");
            self.text(value);
        }
        self.raw("}");
    }
}
