//! Parameters of a request: what was typed goes, what was not is left to the server.

use clap::ValueEnum;

/// Names and values, in the order they were added.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Adds a value if there is one.
    pub(in crate::cli) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Adds a choice by the word that is typed for it, if it was made.
    pub(in crate::cli) fn choice(self, name: &'static str, choice: Option<impl ValueEnum>) -> Self {
        let named = choice.and_then(|choice| choice.to_possible_value());
        self.with(name, named.as_ref().map(|value| value.get_name()))
    }

    /// Adds a parameter for each value.
    pub(in crate::cli) fn each(mut self, name: &'static str, values: &[String]) -> Self {
        let named = values.iter().map(|value| (name, value.clone()));
        self.0.extend(named);
        self
    }

    pub(in crate::cli) fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }
}
