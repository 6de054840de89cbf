//! The labels of a block's series: lists of names, each once, and columns of values. In: labels, series by series. Out: the sections of symbols and series.

use std::collections::BTreeMap;

use crate::chunk::bytes::{put_bytes, put_varint};
use crate::chunk::ints;
use crate::symbols::Symbols;

/// Lists of label names, and the values of their series, as symbols in order of first use.
#[derive(Default)]
pub(super) struct Shapes {
    numbers: BTreeMap<Vec<u32>, u32>,
    names: Vec<Vec<u32>>,
    /// By shape, by label.
    values: Vec<Vec<Vec<u32>>>,
    of_series: Vec<i64>,
}

impl Shapes {
    pub(super) fn push<'a>(
        &mut self,
        symbols: &mut Symbols,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) {
        let names: Vec<u32> = labels
            .clone()
            .map(|(name, _)| symbols.intern(name).0)
            .collect();
        let shape = match self.numbers.get(&names) {
            Some(shape) => *shape,
            None => {
                let shape = self.names.len() as u32;
                self.values.push(vec![Vec::new(); names.len()]);
                self.names.push(names.clone());
                self.numbers.insert(names, shape);
                shape
            }
        };
        self.of_series.push(i64::from(shape));
        if let Some(columns) = self.values.get_mut(shape as usize) {
            for (column, (_, value)) in columns.iter_mut().zip(labels) {
                column.push(symbols.intern(value).0);
            }
        }
    }

    pub(super) fn encode(&self, kinds: &[i64], ranks: &[u32]) -> Vec<u8> {
        let rank = |symbol: u32| ranks.get(symbol as usize).copied().unwrap_or_default();
        let mut out = Vec::new();
        put_varint(&mut out, self.names.len() as u64);
        for names in &self.names {
            put_varint(&mut out, names.len() as u64);
            for name in names {
                put_varint(&mut out, u64::from(rank(*name)));
            }
        }
        ints::encode(&self.of_series, &mut out);
        ints::encode(kinds, &mut out);
        for column in self.values.iter().flatten() {
            let ranked: Vec<i64> = column.iter().map(|s| i64::from(rank(*s))).collect();
            ints::encode(&ranked, &mut out);
        }
        out
    }
}

/// The symbols in `order`, each without what it shares with the one before.
pub(super) fn encode_symbols(symbols: &Symbols, order: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, order.len() as u64);
    let mut before = "";
    for symbol in order {
        let text = symbols.get(*symbol);
        let shared = text
            .bytes()
            .zip(before.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        put_varint(&mut out, shared as u64);
        put_bytes(&mut out, text.as_bytes().get(shared..).unwrap_or_default());
        before = text;
    }
    out
}
