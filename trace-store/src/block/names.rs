//! The strings of a block, and its operations: which service does what, and as which kind.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::input::{DecodeError, Input, put_text, put_varint};

/// Most strings of a block, and most operations.
const NAMES_MAX: u64 = 1 << 20;

/// An operation, by name: what a trace's row is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NamedOperation {
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    /// OTLP's number of the kind.
    pub(crate) kind: u8,
}

/// Sorted and distinct strings, and operations over them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Names {
    strings: Vec<Arc<str>>,
    operations: Vec<NamedOperation>,
}

impl Names {
    /// Of a set of strings that has every service and name of the operations, too.
    pub(crate) fn of(strings: BTreeSet<Arc<str>>, operations: BTreeSet<NamedOperation>) -> Self {
        Self {
            strings: strings.into_iter().collect(),
            operations: operations.into_iter().collect(),
        }
    }

    pub(crate) fn string(&self, idx: u32) -> Option<&Arc<str>> {
        self.strings.get(idx as usize)
    }

    pub(crate) fn n_strings(&self) -> u32 {
        self.strings.len() as u32
    }

    pub(crate) fn idx_of(&self, string: &str) -> Option<u32> {
        self.strings
            .binary_search_by(|found| (**found).cmp(string))
            .ok()
            .map(|idx| idx as u32)
    }

    pub(crate) fn operations(&self) -> &[NamedOperation] {
        &self.operations
    }

    pub(crate) fn idx_of_operation(&self, operation: &NamedOperation) -> Option<u32> {
        self.operations
            .binary_search(operation)
            .ok()
            .map(|idx| idx as u32)
    }

    /// Memory that it takes, in bytes, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.strings
            .iter()
            .map(|string| string.len() + 40)
            .sum::<usize>()
            + self.operations.len() * 40
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        if self.strings.len() as u64 > NAMES_MAX || self.operations.len() as u64 > NAMES_MAX {
            return Err(DecodeError("too many names"));
        }
        let mut out = Vec::new();
        put_varint(&mut out, self.strings.len() as u64);
        self.strings
            .iter()
            .for_each(|string| put_text(&mut out, string));
        put_varint(&mut out, self.operations.len() as u64);
        for NamedOperation {
            service,
            name,
            kind,
        } in &self.operations
        {
            for string in [service, name] {
                let idx = self.idx_of(string).ok_or(DecodeError(
                    "an operation has a name that is not among the strings",
                ))?;
                put_varint(&mut out, idx.into());
            }
            out.push(*kind);
        }
        Ok(out)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Input(bytes);
        let n_strings = input.varint_below(NAMES_MAX + 1)?;
        let strings = (0..n_strings)
            .map(|_| input.text().map(Arc::from))
            .collect::<Result<Vec<Arc<str>>, _>>()?;
        let string = |input: &mut Input<'_>| {
            let idx = input.varint_u32()?;
            strings
                .get(idx as usize)
                .cloned()
                .ok_or(DecodeError("a name is not among the strings"))
        };
        let n_operations = input.varint_below(NAMES_MAX + 1)?;
        let operations = (0..n_operations)
            .map(|_| {
                Ok(NamedOperation {
                    service: string(&mut input)?,
                    name: string(&mut input)?,
                    kind: input.u8()?,
                })
            })
            .collect::<Result<Vec<_>, DecodeError>>()?;
        if !strings.is_sorted() || !operations.is_sorted() {
            return Err(DecodeError("names are not sorted"));
        }
        Ok(Self {
            strings,
            operations,
        })
    }
}
