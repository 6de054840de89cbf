//! Printing for people and pipes. What comes from outside is made safe for a terminal; a closed pipe ends quietly.

use std::fmt::{self, Display, Write as _};
use std::io::{IsTerminal, Write};

use super::Output;
use crate::exit::Exit;

/// Table on a terminal, JSON in a pipe, unless told.
pub(super) fn format(wanted: Option<Output>) -> Output {
    wanted.unwrap_or(if std::io::stdout().is_terminal() {
        Output::Table
    } else {
        Output::Json
    })
}

/// Writes one line of data to stdout. False when nobody reads any more.
pub(super) fn line(text: impl Display) -> bool {
    writeln!(std::io::stdout().lock(), "{text}").is_ok()
}

/// Writes one line for the person at the terminal to stderr.
pub(crate) fn complain(text: impl Display) {
    drop(writeln!(std::io::stderr().lock(), "tracewell: {text}"));
}

/// What clap has to say: help and version are answers, the rest is bad usage.
pub(super) fn usage(told: &clap::Error) -> Exit {
    drop(told.print());
    if told.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

pub(super) fn version() -> Exit {
    line(std::format_args!("tracewell {}", env!("CARGO_PKG_VERSION")));
    Exit::Done
}

/// Text from outside, shown on a terminal: control, bidirectional and zero-width characters are written as escapes.
pub(super) struct Safe<'a>(pub(super) &'a str);

impl Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if moves_text(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

fn moves_text(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let shown = Safe("a\u{1b}[31m\u{0}\n{\"level\":\u{202e}ü").to_string();
        assert_eq!(shown, r#"a\u{1b}[31m\u{0}\n{"level":\u{202e}ü"#);
    }
}
