//! Trace ids as people paste them into a path: hex, base64, `traceparent`, UUID.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use telemetry::TraceId;

const FORGIVING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// Reads 1 to 32 hex digits padded with zeros on the left, 22 or 24 characters of base64, a `traceparent` or a UUID.
///
/// The forms cannot be confused: only hex is at most 32 long without `-`, but for base64 of 22 and 24 characters, which is tried when
/// it is not hex.
pub(crate) fn parse(text: &str) -> Result<TraceId, String> {
    let told = || {
        format!(
            "a trace id is 1 to 32 hex digits, base64, a traceparent or a UUID, this is {:?}",
            shortened(text)
        )
    };
    let id = hex(text)
        .or_else(|| base64_of(text))
        .or_else(|| traceparent(text))
        .or_else(|| uuid(text))
        .ok_or_else(told)?;
    if id.is_zero() {
        Err("a trace id is not all zero".to_owned())
    } else {
        Ok(id)
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

fn hex(text: &str) -> Option<TraceId> {
    TraceId::parse_padded(text).ok()
}

fn base64_of(text: &str) -> Option<TraceId> {
    if !matches!(text.len(), 22 | 24) {
        return None;
    }
    let bytes = STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()?;
    bytes.try_into().ok().map(TraceId)
}

/// `version-traceid-parentid-flags` (W3C Trace Context).
fn traceparent(text: &str) -> Option<TraceId> {
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    match parts.as_slice() {
        [version, id, parent, flags, ..]
            if [version.len(), id.len(), parent.len(), flags.len()] == [2, 32, 16, 2] =>
        {
            id.parse().ok()
        }
        _ => None,
    }
}

fn uuid(text: &str) -> Option<TraceId> {
    let lengths: Vec<usize> = text.splitn(6, '-').map(str::len).collect();
    if lengths != [8, 4, 4, 4, 12] {
        return None;
    }
    text.replace('-', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_the_same_trace() {
        for text in [
            "83a9efd15c1c98a977e0711cc93ee28b",
            "83A9EFD15C1C98A977E0711CC93EE28B",
            "g6nv0VwcmKl34HEcyT7iiw==",
            "g6nv0VwcmKl34HEcyT7iiw",
            "00-83a9efd15c1c98a977e0711cc93ee28b-e127af99e3b3e074-01",
            "83a9efd1-5c1c-98a9-77e0-711cc93ee28b",
        ] {
            assert_eq!(
                parse(text).expect(text).to_string(),
                "83a9efd15c1c98a977e0711cc93ee28b"
            );
        }
    }

    #[test]
    fn both_base64_alphabets_are_read() {
        for text in ["+/+/+/+/+/+/+/+/+/+/+w==", "-_-_-_-_-_-_-_-_-_-_-w"] {
            assert_eq!(
                parse(text).expect(text).to_string(),
                "fbffbffbffbffbffbffbffbffbffbffb"
            );
        }
    }

    #[test]
    fn short_hex_is_padded() {
        assert_eq!(
            parse("227").expect("hex").to_string(),
            "00000000000000000000000000000227"
        );
    }

    #[test]
    fn what_is_no_id_is_told() {
        for text in [
            "",
            "0",
            "xyz",
            "é",
            "g6nv0VwcmKl34HEcyT7ii",
            "00-83a9-e1-01",
            "../../etc/passwd",
            &"a".repeat(33),
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
