//! Which series matchers mean, when names and values are symbols: each distinct value is compared once, whatever it takes, then series are looked
//! through by number. In: matchers and the symbols. Out: yes or no for a series.

use crate::{MatchOp, Matcher};

/// Texts by number.
pub trait SymbolTable {
    fn text(&self, symbol: u32) -> &str;
    fn number(&self, text: &str) -> Option<u32>;
}

impl SymbolTable for crate::symbols::Symbols {
    fn text(&self, symbol: u32) -> &str {
        self.get(symbol)
    }

    fn number(&self, text: &str) -> Option<u32> {
        self.find(text)
    }
}

impl SymbolTable for crate::symbols::SortedSymbols {
    fn text(&self, symbol: u32) -> &str {
        self.get(symbol)
    }

    fn number(&self, text: &str) -> Option<u32> {
        self.find(text)
    }
}

/// A matcher against one table of symbols.
pub struct SymbolMatcher<'a> {
    matcher: &'a Matcher,
    /// Symbol of the label's name; none if no series has the label.
    pub name: Option<u32>,
    /// What a series without the label is.
    pub absent: bool,
    way: Way,
}

enum Way {
    /// Every value, or none.
    Always(bool),
    /// One value; none if no series has it.
    Equal { value: Option<u32>, wanted: bool },
    /// By number: 0 not asked yet, 1 no, 2 yes.
    Asked(Vec<u8>),
}

impl<'a> SymbolMatcher<'a> {
    #[must_use]
    pub fn new(matcher: &'a Matcher, symbols: &impl SymbolTable) -> Self {
        let way = match &matcher.op {
            MatchOp::Equal => Way::Equal {
                value: symbols.number(&matcher.value),
                wanted: true,
            },
            MatchOp::NotEqual => Way::Equal {
                value: symbols.number(&matcher.value),
                wanted: false,
            },
            // a value that is there is not empty, so both match all of them
            MatchOp::Regex(_) if matches!(matcher.value.as_str(), ".*" | ".+") => Way::Always(true),
            MatchOp::NotRegex(_) if matches!(matcher.value.as_str(), ".*" | ".+") => {
                Way::Always(false)
            }
            MatchOp::Regex(_) | MatchOp::NotRegex(_) => Way::Asked(Vec::new()),
        };
        Self {
            name: symbols.number(&matcher.name),
            absent: matcher.matches(""),
            matcher,
            way,
        }
    }

    /// Whether the value with this number matches.
    pub fn matches(&mut self, value: u32, symbols: &impl SymbolTable) -> bool {
        match &mut self.way {
            Way::Always(answer) => *answer,
            Way::Equal {
                value: known,
                wanted,
            } => (*known == Some(value)) == *wanted,
            Way::Asked(answers) => {
                let idx = value as usize;
                if answers.len() <= idx {
                    answers.resize((idx + 1).next_power_of_two(), 0);
                }
                let Some(answer) = answers.get_mut(idx) else {
                    return false;
                };
                if *answer == 0 {
                    *answer = 1 + u8::from(self.matcher.matches(symbols.text(value)));
                }
                *answer == 2
            }
        }
    }
}
