//! docs/configuration.md tells every key and default that the program has, and none that it has not.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Keys and defaults by `tracewell config print`, run where there is no configuration.
fn printed() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_tracewell"))
        .args(["config", "print", "--output", "json"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let entry = |item: &Value| {
        let key = item["key"].as_str().expect("a key is text").to_owned();
        let value = match &item["value"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (key, value)
    };
    let items = printed["items"].as_array().expect("a list of items");
    items.iter().map(entry).collect()
}

/// Keys and defaults in the tables of the document: rows of five cells whose first is a key in backticks.
fn documented() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let text = std::fs::read_to_string(path).expect("the document is there");
    let mut keys = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", key, kind, default, range, meaning, ""] = cells[..] else {
            continue;
        };
        let Some(key) = unquoted(key) else {
            continue;
        };
        assert!(!kind.is_empty() && !meaning.is_empty(), "{key}: {range}");
        let twice = keys.insert(key.to_owned(), default.to_owned());
        assert_eq!(twice, None, "{key} stands there twice");
    }
    keys
}

fn unquoted(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[test]
fn the_document_has_every_key_with_its_default_and_no_other() {
    let (printed, documented) = (printed(), documented());
    let untold: Vec<_> = printed
        .keys()
        .filter(|key| !documented.contains_key(*key))
        .collect();
    let unknown: Vec<_> = documented
        .keys()
        .filter(|key| !printed.contains_key(*key))
        .collect();
    assert!(
        untold.is_empty() && unknown.is_empty(),
        "docs/configuration.md does not tell {untold:?} and tells {unknown:?}, which is no key"
    );
    for (key, default) in &documented {
        // A default in words, such as that of the rules, stands without backticks.
        if let Some(default) = unquoted(default) {
            assert_eq!(default, printed[key], "default of {key}");
        }
    }
}
