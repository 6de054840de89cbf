//! How much of what a request may carry, and what was left out of one.

use std::fmt::Write as _;

/// Longest text of [`Rejected`], in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Limits on a request. Items over a *reject* limit are left out and counted; what is over a *cut* limit is cut and
/// counted in the item's own `dropped_*_count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkLimits {
    /// Spans, and messages around them, in a request; with more the whole is refused. Default 65,536.
    pub spans_max: u32,
    /// Reject: bytes of a span, of a resource or of a scope. Default 512 KiB.
    pub span_bytes_max: u32,
    /// Reject: levels of a value within values; a plain value is one. Default 16.
    pub nesting_max: u32,
    /// Cut: attributes of a span, event, link, resource or scope. Default 128.
    pub attributes_max: u32,
    /// Cut: events of a span. Default 128.
    pub events_max: u32,
    /// Cut: links of a span. Default 128.
    pub links_max: u32,
    /// Cut: bytes of a key. Default 256.
    pub key_bytes_max: u32,
    /// Cut: bytes of a text or bytes value, and of names. Default 4 KiB.
    pub string_bytes_max: u32,
    /// Cut: bytes of the texts that people need whole ([`is_long_text`]). Default 32 KiB.
    pub long_string_bytes_max: u32,
}

impl Default for WalkLimits {
    fn default() -> Self {
        Self {
            spans_max: 1 << 16,
            span_bytes_max: 512 << 10,
            nesting_max: 16,
            attributes_max: 128,
            events_max: 128,
            links_max: 128,
            key_bytes_max: 256,
            string_bytes_max: 4 << 10,
            long_string_bytes_max: 32 << 10,
        }
    }
}

impl WalkLimits {
    /// No limits: for records of our own log, which were limited on their way in. What prost refuses is still refused.
    #[must_use]
    pub fn trusted() -> Self {
        Self {
            spans_max: u32::MAX,
            span_bytes_max: u32::MAX,
            nesting_max: u32::MAX,
            attributes_max: u32::MAX,
            events_max: u32::MAX,
            links_max: u32::MAX,
            key_bytes_max: u32::MAX,
            string_bytes_max: u32::MAX,
            long_string_bytes_max: u32::MAX,
        }
    }

    /// Bytes that the value of the attribute with this key may have.
    pub(crate) fn value_bytes_max(&self, key: &[u8]) -> u32 {
        if is_long_text(key) {
            self.long_string_bytes_max
        } else {
            self.string_bytes_max
        }
    }
}

/// Whether the attribute with this key is a stack trace or the text of a query.
fn is_long_text(key: &[u8]) -> bool {
    use crate::semconv::{DB_QUERY_TEXT, DB_STATEMENT, EXCEPTION_STACKTRACE};
    [EXCEPTION_STACKTRACE, DB_QUERY_TEXT, DB_STATEMENT]
        .iter()
        .any(|long| long.as_bytes() == key)
}

/// Spans that were left out of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rejected {
    pub n_spans: u32,
    /// The first reasons with the paths of the fields, in at most 1 KiB. Empty if nothing was left out.
    pub reason: String,
}

impl Rejected {
    pub(crate) fn clear(&mut self) {
        self.n_spans = 0;
        self.reason.clear();
    }

    /// Counts spans and notes why, while there is room for it.
    #[cold]
    pub(crate) fn add(&mut self, n_spans: u32, reason: std::fmt::Arguments<'_>) {
        self.n_spans = self.n_spans.saturating_add(n_spans);
        let len = self.reason.len();
        let separator = if len == 0 { "" } else { "; " };
        write!(self.reason, "{separator}{reason}").expect("a String takes all text");
        if self.reason.len() > REASON_BYTES_MAX {
            self.reason.truncate(len);
        }
    }
}
