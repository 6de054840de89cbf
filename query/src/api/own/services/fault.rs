//! What a failed span says of why: a type and a message, and the shape of the message, in which what is of one request alone is left out. Pure.

use telemetry::semconv::{
    ERROR_TYPE, EXCEPTION, EXCEPTION_MESSAGE, EXCEPTION_TYPE, HTTP_RESPONSE_STATUS_CODE,
    HTTP_STATUS_CODE, RPC_GRPC_STATUS_CODE,
};
use telemetry::wire::{Attributes, SpanView};

/// Bytes of a type, and of a message, that are told.
const TEXT_BYTES_MAX: usize = 256;
/// Shortest text of hex digits, among them a digit, that is an id.
const HEX_MIN: usize = 8;

/// Why a span failed, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Of an exception, else `error.type`, else the status of the protocol.
    pub(super) kind: Option<String>,
    /// Of an exception, else of the span's status.
    pub(super) message: Option<String>,
}

impl Fault {
    pub(super) fn of(span: &SpanView<'_>) -> Self {
        // of several the last one is what the span ended by
        let exception = span
            .events()
            .filter(|event| event.name() == EXCEPTION)
            .last();
        let said = |key: &str| text(exception.as_ref()?.attributes(), key);
        let of_span = |key: &str| text(span.attributes(), key);
        let status = |key: &str, word: &str| Some(format!("{word} {}", of_span(key)?));
        Self {
            kind: said(EXCEPTION_TYPE)
                .or_else(|| of_span(ERROR_TYPE))
                .or_else(|| status(HTTP_RESPONSE_STATUS_CODE, "HTTP"))
                .or_else(|| status(HTTP_STATUS_CODE, "HTTP"))
                .or_else(|| status(RPC_GRPC_STATUS_CODE, "gRPC")),
            message: said(EXCEPTION_MESSAGE).or_else(|| told(span.status_message())),
        }
    }

    /// The message without what tells one request from another.
    pub(super) fn shape(&self) -> Option<String> {
        self.message.as_deref().map(shape)
    }
}

fn text(mut attributes: Attributes<'_>, key: &str) -> Option<String> {
    let (_, value) = attributes.find(|(name, _)| *name == key)?;
    told(&value.text())
}

/// The first line that says something, cut; none if none does.
fn told(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let mut end = line.len().min(TEXT_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(..end).map(str::to_owned)
}

/// Ids become `{id}`, other numbers `{n}`.
fn shape(message: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut shape = String::with_capacity(message.len());
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if is_id(word) {
            shape.push_str("{id}");
        } else {
            push_without_numbers(word, &mut shape);
        }
        let end = after.find(is_part).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        shape.push_str(between);
        rest = after;
    }
    shape
}

/// A UUID, or a long hex number with a digit and a letter in it.
fn is_id(word: &str) -> bool {
    let digits = word.bytes().filter(|byte| *byte != b'-');
    let n_digits = digits.clone().filter(u8::is_ascii_digit).count();
    let n = digits.clone().count();
    let is_hex = word
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_hex && n >= HEX_MIN && n_digits > 0 && n_digits < n
}

fn push_without_numbers(word: &str, shape: &mut String) {
    let mut was_digit = false;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit();
        match (is_digit, was_digit) {
            (true, false) => shape.push_str("{n}"),
            (true, true) => {}
            (false, _) => shape.push(c),
        }
        was_digit = is_digit;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shape_has_nothing_of_one_request_alone() {
        for (message, expected) in [
            ("timeout after 3000 ms", "timeout after {n} ms"),
            ("timeout after 2.5s", "timeout after {n}.{n}s"),
            (
                "no user 7f9c24e5-1b1c-4d4b-9d3a-2f0d9f2d7a11",
                "no user {id}",
            ),
            ("trace 0af7651916cd43dd8448eb211c80319c", "trace {id}"),
            ("pod-42 of db3", "pod-{n} of db{n}"),
            ("10.1.2.3:5432 refused", "{n}.{n}.{n}.{n}:{n} refused"),
            ("deadbeef facade", "deadbeef facade"),
            ("Connection refused", "Connection refused"),
            ("é 5 ü", "é {n} ü"),
            ("", ""),
        ] {
            assert_eq!(shape(message), expected, "{message}");
        }
    }

    #[test]
    fn one_line_is_told() {
        assert_eq!(told(" \n a b \nc"), Some("a b".to_owned()));
        assert_eq!(told(" \n "), None);
        let long = told(&"é".repeat(400)).expect("text");
        assert_eq!(long.len(), TEXT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn a_shape_of_a_shape_is_itself(message in "[ a-z0-9:.-]{0,40}") {
            let once = shape(&message);
            prop_assert_eq!(shape(&once), once);
        }
    }
}
