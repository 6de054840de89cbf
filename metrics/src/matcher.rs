//! Matchers: which series a selector means.

use regex::Regex;

use crate::Labels;

/// One condition on a label.
#[derive(Debug, Clone)]
pub struct Matcher {
    pub name: String,
    pub op: MatchOp,
    /// What to compare with; the text of the pattern for the regular ones.
    pub value: String,
}

/// How a label is compared. Patterns are anchored at both ends.
#[derive(Debug, Clone)]
pub enum MatchOp {
    Equal,
    NotEqual,
    Regex(Regex),
    NotRegex(Regex),
}

impl Matcher {
    /// Whether a label's value meets the condition; an absent label has the empty value.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match &self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex(pattern) => pattern.is_match(value),
            MatchOp::NotRegex(pattern) => !pattern.is_match(value),
        }
    }

    /// Whether all matchers agree with a series.
    #[must_use]
    pub fn all_match(matchers: &[Self], labels: &Labels) -> bool {
        matchers
            .iter()
            .all(|matcher| matcher.matches(labels.get(&matcher.name)))
    }
}
