//! A block of kept traces: rows of them, an index to search without reading spans, filters to pass by what is certainly not there.
//!
//! In: traces of one tenant. Out: bytes laid out as docs/formats/trace-epoch-block.md says, and rows out of such bytes.

pub(crate) mod dictionary;
pub(crate) mod draft;
pub(crate) mod filter_bits;
mod frames;
pub(crate) mod index;
pub(crate) mod input;
pub(crate) mod layout;
pub(crate) mod meta;
pub(crate) mod names;
pub(crate) mod read;
pub(crate) mod summary;
pub(crate) mod usage;
pub(crate) mod write;

#[cfg(test)]
mod tests;
