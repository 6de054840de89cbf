//! `tracewell config check|print`: works offline.

use serde_json::json;

use super::Output;
use super::print;
use crate::config::Layered;
use crate::exit::Exit;

/// Reached only when loading found no mistake.
pub(super) fn checked() -> Exit {
    print::complain("the configuration is right");
    Exit::Done
}

/// Every setting with its source.
pub(super) fn print(layered: &Layered, output: Output) -> Exit {
    match output {
        Output::Json => {
            let entry = |(key, value, origin): (String, toml::Value, crate::config::Origin)| json!({"key": key, "value": value, "source": origin.to_string()});
            let entries: Vec<_> = layered.entries().into_iter().map(entry).collect();
            print::line(json!({ "items": entries }));
        }
        Output::Table => {
            for (key, value, origin) in layered.entries() {
                if !print::line(format_args!("{key} = {value}    # {origin}")) {
                    break;
                }
            }
        }
    }
    Exit::Done
}
