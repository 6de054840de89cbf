//! Printing for people and pipes. What comes from outside is made safe for a terminal; a closed pipe ends quietly.

use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde_json::json;

use super::Output;
use crate::exit::Exit;

/// Whether data could not be written although somebody may wait for it: the disk below stdout is full.
static IS_LOST: AtomicBool = AtomicBool::new(false);

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
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::BrokenPipe && !IS_LOST.swap(true, Ordering::Relaxed) {
                complain(format_args!("cannot write what was asked for: {error}"));
            }
            false
        }
    }
}

/// Writes a document of YAML to stdout. False when nobody reads any more.
pub(super) fn yaml(value: &impl Serialize) -> bool {
    match serde_saphyr::to_string(value) {
        Ok(text) => line(text.trim_end_matches('\n')),
        Err(error) => {
            complain(format_args!("this cannot be written as YAML: {error}"));
            IS_LOST.store(true, Ordering::Relaxed);
            false
        }
    }
}

/// How the process ends, unless data was lost on its way out: a script must not take half of it for all.
pub(super) fn unless_lost(exit: Exit) -> Exit {
    match exit {
        Exit::Done if IS_LOST.load(Ordering::Relaxed) => Exit::Failed,
        exit => exit,
    }
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

/// `tracewell version`. A line of text unless data is asked for by name, since scripts read the line.
pub(super) fn version(wanted: Option<Output>) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    match wanted.unwrap_or(Output::Table) {
        Output::Table => line(format_args!("tracewell {version}")),
        Output::Json => line(json!({ "version": version })),
        Output::Yaml => yaml(&json!({ "version": version })),
        Output::Csv => line("version") && line(version),
    };
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
    fn yaml_says_what_json_says_and_moves_no_text() {
        let value = json!({"a": [1.5, null, {"b": "yes"}], "c": "x: \u{1b}[31m\n- y", "d": {}, "e": [], "f": "", "g": "12"});
        let text = serde_saphyr::to_string(&value).expect("JSON");
        let lines = [
            "a:",
            "- 1.5",
            "- null",
            "- b: \"yes\"",
            "c: \"x: \\e[31m\\n- y\"",
            "d: {}",
            "e: []",
            "f: \"\"",
            "g: \"12\"\n",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let shown = Safe("a\u{1b}[31m\u{0}\n{\"level\":\u{202e}ü").to_string();
        assert_eq!(shown, r#"a\u{1b}[31m\u{0}\n{"level":\u{202e}ü"#);
    }
}
