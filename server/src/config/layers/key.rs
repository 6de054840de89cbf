//! Keys of the whole configuration as a table: which there are, what stands at one, and all of them. Pure.

use toml::{Table, Value};

/// Keys whose value is a table with names of the user's, set as a whole; absent unless it is set.
pub(super) const MAPS: &[&str] = &["sampler.tenants", "agent.attributes"];

/// Whether `path` is a key, or why not, with the nearest name.
pub(super) fn known(mut table: &Table, path: &[String]) -> Result<(), String> {
    if MAPS.contains(&path.join(".").as_str()) {
        return Ok(()); // what stands in it is checked when it is read
    }
    for (depth, name) in path.iter().enumerate() {
        let section = path[..depth].join(".");
        let Some(value) = table.get(name) else {
            return Err(unknown_key(name, &section, table));
        };
        match value {
            Value::Table(inner) if depth + 1 < path.len() => table = inner,
            Value::Table(_) => {
                return Err(format!("{} is a section, not a key", path.join(".")));
            }
            _ if depth + 1 < path.len() => {
                return Err(format!(
                    "{} is a key, not a section",
                    path[..=depth].join(".")
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unknown_key(name: &str, section: &str, table: &Table) -> String {
    let place = if section.is_empty() {
        String::new()
    } else {
        format!(" in [{section}]")
    };
    let what = if section.is_empty() { "section" } else { "key" };
    let nearest = table
        .keys()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match nearest {
        Some(nearest) if strsim::jaro_winkler(nearest, name) > 0.8 => {
            format!("unknown {what} {name:?}{place}; did you mean {nearest:?}?")
        }
        _ => {
            let known: Vec<&str> = table.keys().map(String::as_str).collect();
            format!(
                "unknown {what} {name:?}{place}; there are {}",
                known.join(", ")
            )
        }
    }
}

/// Sets what stands at `path`, whose sections are there.
pub(super) fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert(name.clone(), value);
        }
        [section, rest @ ..] => {
            if let Some(Value::Table(inner)) = table.get_mut(section) {
                put(inner, rest, value);
            }
        }
    }
}

/// Every key below `prefix` with its value.
pub(super) fn list(table: &Table, prefix: &mut String, entries: &mut Vec<(String, Value)>) {
    let length = prefix.len();
    for (key, value) in table {
        prefix.push_str(key);
        match value {
            Value::Table(inner) => {
                prefix.push('.');
                list(inner, prefix, entries);
            }
            value => entries.push((prefix.clone(), value.clone())),
        }
        prefix.truncate(length);
    }
}
