//! Words with a meaning. Most may also name a metric or a label.

/// `by` and `without`.
pub(super) fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

/// Words that never name a metric without braces. In lower case.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "bool" | "on" | "ignoring" | "group_left" | "group_right"
    )
}
