//! TraceQL's field expressions: what stands between the braces of `{ … }`, asked of one span.
//!
//! In: text. Out: a checked expression that a span meets or does not. Spansets, pipelines and aggregates are not here yet.

mod eval;
mod expr;
pub mod lex;
mod parse;

pub use expr::FieldExpr;
pub use parse::ParseError;

/// Longest text of an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 32 << 10;
/// Deepest nesting of parentheses and signs.
pub const DEPTH_MAX: u32 = 64;
/// Longest regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1 << 10;
/// What a compiled regular expression may take, in bytes.
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
