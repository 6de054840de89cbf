//! `tracewell config check|print`: works offline.

use serde_json::{Value, json};

use super::Output;
use super::csv::Csv;
use super::print;
use crate::config::{Layered, Origin};
use crate::exit::Exit;

/// Reached only when loading found no mistake.
pub(super) fn checked() -> Exit {
    print::complain("the configuration is right");
    Exit::Done
}

/// Every setting with its source.
pub(super) fn print(layered: &Layered, output: Output) -> Exit {
    let entries = layered.entries();
    if output == Output::Table {
        let mut lines = entries
            .iter()
            .map(|(key, value, origin)| format!("{key} = {value}    # {origin}"));
        let _all = lines.all(print::line);
        return Exit::Done;
    }
    let entry = |(key, value, origin): &(String, toml::Value, Origin)| json!({"key": key, "value": value, "source": origin.to_string()});
    let entries: Vec<Value> = entries.iter().map(entry).collect();
    match output {
        Output::Csv => Csv::of_items(&["key", "value", "source"], &entries).print(),
        Output::Yaml => print::yaml(&json!({ "items": entries })),
        Output::Json | Output::Table => print::line(json!({ "items": entries })),
    };
    Exit::Done
}
