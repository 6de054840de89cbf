//! The `ot` member of a W3C tracestate, with a sampling threshold put in. Other vendors' members and other `ot` keys stay as they were.

/// Thresholds have 56 bits (OpenTelemetry probability sampling).
const BITS: u32 = 56;

/// `th` as it is written: 14 hex digits without the trailing zeros, `0` for T = 0.
pub(crate) fn threshold_text(threshold: u64) -> String {
    let digits = format!("{:014x}", threshold & ((1 << BITS) - 1));
    match digits.trim_end_matches('0') {
        "" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// `tracestate` whose `ot` member says `th`, or says none. The member comes first if it is changed, as W3C wants it.
pub(crate) fn with_threshold(tracestate: &str, th: Option<&str>) -> String {
    let mut others = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    for member in tracestate
        .split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
    {
        match member.strip_prefix("ot=") {
            Some(value) => keys.extend(
                value
                    .split(';')
                    .filter(|key| !key.is_empty() && !key.starts_with("th:")),
            ),
            None => others.push(member.to_owned()),
        }
    }
    let written = th.map(|th| format!("th:{th}"));
    let ot: Vec<&str> = written.as_deref().into_iter().chain(keys).collect();
    if !ot.is_empty() {
        others.insert(0, format!("ot={}", ot.join(";")));
    }
    others.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_written_as_the_specification_does() {
        for (threshold, text) in [
            (0, "0"),
            (1 << 55, "8"),
            (0xc0_0000_0000_0000, "c"),
            (0xfd_70a4_0000_0000, "fd70a4"),
            (1, "00000000000001"),
        ] {
            assert_eq!(threshold_text(threshold), text);
        }
    }

    #[test]
    fn only_the_threshold_changes() {
        for (before, th, after) in [
            ("", Some("c"), "ot=th:c"),
            ("", None, ""),
            ("a=b", Some("8"), "ot=th:8,a=b"),
            (
                "a=b, ot=rv:00000000000001;th:0;x:y , c=d",
                Some("c"),
                "ot=th:c;rv:00000000000001;x:y,a=b,c=d",
            ),
            ("a=b,ot=th:8", None, "a=b"),
            ("ot=th:8;rv:1", None, "ot=rv:1"),
            (",,", Some("0"), "ot=th:0"),
        ] {
            assert_eq!(with_threshold(before, th), after, "{before}");
        }
    }
}
