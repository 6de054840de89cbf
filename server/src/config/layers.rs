//! Layers of settings, each put over the one before, key by key, so that each mistake is found and told with its place.

mod key;
mod leaf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Value;
use toml::de::DeTable;

use super::{Config, Mistake, Origin};
use key::{MAPS, known, list, put};
use leaf::{flatten, line_of, readings};

/// Start of the environment variables that are settings: `TRACEWELL__SAMPLER__DECISION_WAIT=10s`.
const ENVIRONMENT_PREFIX: &str = "TRACEWELL__";

/// A configuration with the origin of each value that is not a default.
#[derive(Debug, Clone)]
pub(crate) struct Layered {
    pub(crate) config: Config,
    table: toml::Table,
    origins: BTreeMap<String, Origin>,
}

impl Layered {
    pub(crate) fn defaults() -> Self {
        let config = Config::default();
        let table =
            toml::Table::try_from(&config).expect("the default configuration is a TOML table");
        Self {
            config,
            table,
            origins: BTreeMap::new(),
        }
    }

    /// Puts a file's settings over what is there.
    pub(crate) fn apply_file(&mut self, path: &Path, text: &str) -> Vec<Mistake> {
        let (parsed, errors) = DeTable::parse_recoverable(text);
        let origin_at = |byte: usize| Origin::File {
            path: path.to_owned(),
            line: line_of(text, byte),
        };
        if !errors.is_empty() {
            let told = |e: &toml::de::Error| {
                Mistake::at(&origin_at(e.span().map_or(0, |s| s.start)), e.message())
            };
            return errors.iter().map(told).collect();
        }
        let mut leaves = Vec::new();
        flatten(parsed.get_ref(), &self.table, &mut Vec::new(), &mut leaves);
        let mut mistakes = Vec::new();
        for (path, value, byte) in leaves {
            let origin = origin_at(byte);
            match value {
                Some(value) => mistakes.extend(self.set(&path, vec![value], origin).err()),
                None => mistakes.push(Mistake::at(
                    &origin,
                    &format!("{} cannot be read", path.join(".")),
                )),
            }
        }
        mistakes
    }

    /// Puts the settings among environment variables over what is there.
    pub(crate) fn apply_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Vec<Mistake> {
        let mut named: Vec<_> = variables
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        named.sort();
        let apply = |(variable, text): (String, String)| {
            let path: Vec<String> = variable[ENVIRONMENT_PREFIX.len()..]
                .split("__")
                .map(str::to_ascii_lowercase)
                .collect();
            self.set(&path, readings(&text), Origin::Environment { variable })
                .err()
        };
        named.into_iter().filter_map(apply).collect()
    }

    /// Puts `a.b=c` settings of the command line over what is there.
    pub(crate) fn apply_sets(&mut self, sets: &[String]) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for set in sets {
            let Some((key, text)) = set.split_once('=') else {
                mistakes.push(Mistake::at(
                    &Origin::Flag,
                    &format!(
                        "{set:?} is no setting; write key=value, such as sampler.decision_wait=10s"
                    ),
                ));
                continue;
            };
            let path: Vec<String> = key.trim().split('.').map(str::to_owned).collect();
            mistakes.extend(self.set(&path, readings(text.trim()), Origin::Flag).err());
        }
        mistakes
    }

    /// Every key with its value and origin, in the order of the sections.
    pub(crate) fn entries(&self) -> Vec<(String, Value, Origin)> {
        let mut entries = Vec::new();
        list(&self.table, &mut String::new(), &mut entries);
        let with_origin = |(key, value): (String, Value)| {
            let origin = self.origin(&key).cloned().unwrap_or(Origin::Default);
            (key, value, origin)
        };
        entries.into_iter().map(with_origin).collect()
    }

    /// Where a key was set, or the table with names of the user's that it stands in.
    fn origin(&self, key: &str) -> Option<&Origin> {
        let of_map = || {
            let map = MAPS.iter().find(|map| key.starts_with(**map))?;
            self.origins.get(*map)
        };
        self.origins.get(key).or_else(of_map)
    }

    /// A mistake in the value of `key`, with its place.
    pub(super) fn mistake(&self, key: &str, why: &str) -> Mistake {
        let origin = self.origin(key).unwrap_or(&Origin::Default);
        Mistake::at(origin, &format!("{key}: {why}"))
    }

    /// Sets one key to the first of `candidates` that fits it.
    fn set(
        &mut self,
        path: &[String],
        candidates: Vec<Value>,
        origin: Origin,
    ) -> Result<(), Mistake> {
        known(&self.table, path).map_err(|text| Mistake::at(&origin, &text))?;
        let mut why = None;
        for value in candidates {
            match self.with(path, &value) {
                Ok((config, table)) => {
                    self.config = config;
                    self.table = table;
                    self.origins.insert(path.join("."), origin);
                    return Ok(());
                }
                // What was written as a list is no text: the first reading knows best.
                Err(error) => {
                    why = why.or_else(|| Some(self.as_text(path, &value).unwrap_or(error)));
                }
            }
        }
        let why = why.unwrap_or_else(|| "has no value".to_owned());
        Err(Mistake::at(
            &origin,
            &format!("{}: {}", path.join("."), why.trim_end()),
        ))
    }

    /// The configuration with one value changed, or why that cannot be.
    fn with(&self, path: &[String], value: &Value) -> Result<(Config, toml::Table), String> {
        let mut table = self.table.clone();
        put(&mut table, path, value.clone());
        match Config::deserialize(table.clone()) {
            Ok(config) => Ok((config, table)),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    /// What is wrong with a number where text is wanted: it lacks its unit, or its quotes.
    fn as_text(&self, path: &[String], value: &Value) -> Option<String> {
        let number =
            matches!(value, Value::Integer(_) | Value::Float(_)).then(|| value.to_string())?;
        self.with(path, &Value::String(number)).err()
    }
}
