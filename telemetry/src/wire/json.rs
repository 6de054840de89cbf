//! OTLP as JSON, in and out: streamed into protobuf bytes, and written from views. No tree of values is built.

mod decode;
mod encode;
mod scan;

pub use decode::{decode_metrics, decode_traces};
pub use encode::encode_traces;

/// Deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: u32 = 64;
/// Longest text of a [`JsonError`], in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Why text is no OTLP JSON. Names the field, where there is one, in at most 256 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    fn new(mut text: String) -> Self {
        let end = (0..=TEXT_BYTES_MAX)
            .rev()
            .find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        Self(text)
    }
}
