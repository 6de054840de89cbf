//! Layers of settings, each put over the one before, key by key, so that each mistake is found and told with its place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::Config;

/// Start of the environment variables that are settings: `TRACEWELL__SAMPLER__DECISION_WAIT=10s`.
const ENVIRONMENT_PREFIX: &str = "TRACEWELL__";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment { variable: String },
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag => f.write_str("flag --set"),
        }
    }
}

/// One thing that is wrong with a configuration, with its place and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake(String);

impl Mistake {
    pub(crate) fn plain(text: String) -> Self {
        Self(text)
    }

    fn at(origin: &Origin, text: &str) -> Self {
        Self(format!("{origin}: {text}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A configuration with the origin of each value that is not a default.
#[derive(Debug, Clone)]
pub(crate) struct Layered {
    pub(crate) config: Config,
    table: toml::Table,
    origins: BTreeMap<String, Origin>,
}

/// Keys whose value is a table with names of the user's, set as a whole; absent unless it is set.
const MAPS: &[&str] = &["sampler.tenants", "agent.attributes"];

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
        self.known(path)
            .map_err(|text| Mistake::at(&origin, &text))?;
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

    /// Whether `path` is a key, or why not, with the nearest name.
    fn known(&self, path: &[String]) -> Result<(), String> {
        if MAPS.contains(&path.join(".").as_str()) {
            return Ok(()); // what stands in it is checked when it is read
        }
        let mut table = &self.table;
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
}

fn unknown_key(name: &str, section: &str, table: &toml::Table) -> String {
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

/// A setting as a file has it: its path, its value if it can be told, and the byte where it stands.
type Leaf = (Vec<String>, Option<Value>, usize);

/// Collects the leaves of `table`: what `reference` has as a table is a section, all else a value.
fn flatten(
    table: &DeTable<'_>,
    reference: &toml::Table,
    path: &mut Vec<String>,
    leaves: &mut Vec<Leaf>,
) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        match (value.get_ref(), reference.get(key.get_ref().as_ref())) {
            (DeValue::Table(inner), Some(Value::Table(known))) => {
                flatten(inner, known, path, leaves)
            }
            (found, _) => leaves.push((path.clone(), owned(found), key.span().start)),
        }
        path.pop();
    }
}

/// The value of a parsed node. Numbers and dates go through TOML again, which has checked them already.
fn owned(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| owned(item.get_ref()))
                .collect::<Option<_>>()?,
        ),
        DeValue::Table(table) => {
            let entry = |(key, value): (&_, &toml::Spanned<DeValue<'_>>)| {
                let key: &toml::Spanned<toml::de::DeString<'_>> = key;
                Some((key.get_ref().to_string(), owned(value.get_ref())?))
            };
            Value::Table(table.iter().map(entry).collect::<Option<_>>()?)
        }
    })
}

/// What plain text from the environment or a flag may mean: a TOML value if it is one, else, or if that does not fit, a string.
fn readings(text: &str) -> Vec<Value> {
    let as_toml = format!("v = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("v"));
    as_toml
        .into_iter()
        .chain([Value::String(text.to_owned())])
        .collect()
}

fn put(table: &mut toml::Table, path: &[String], value: Value) {
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

fn list(table: &toml::Table, prefix: &mut String, entries: &mut Vec<(String, Value)>) {
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

fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_may_have_rules_of_its_own() {
        let file =
            "[[sampler.tenants.acme.rules]]\nname = \"all\"\nsampler = { type = \"keep\" }\n";
        let mut layered = Layered::defaults();
        let mistakes = layered.apply_file(Path::new("t.toml"), file);
        assert!(mistakes.is_empty(), "{}", mistakes[0]);
        assert_eq!(layered.config.sampler.tenants["acme"].rules.len(), 1);
        let told = mistakes_of("[sampler.tenants.acme]\nruls = []\n");
        assert!(told[0].contains("ruls"), "{told:?}");
    }

    #[test]
    fn attributes_of_the_agent_are_set_as_a_whole_and_print_their_source() {
        let file = "[agent.attributes]\n\"deployment.environment.name\" = \"prod\"\n";
        let mut layered = Layered::defaults();
        assert_eq!(layered.apply_file(Path::new("t.toml"), file), []);
        let name = "deployment.environment.name";
        assert_eq!(layered.config.agent.attributes[name], "prod");
        let key = format!("agent.attributes.{name}");
        let printed = layered.entries().into_iter().find(|(at, ..)| *at == key);
        let origin = printed.expect("it is printed").2;
        assert_eq!(origin.to_string(), "t.toml line 1");

        let set = format!("agent.attributes={{\"{name}\"=\"test\"}}");
        assert_eq!(layered.apply_sets(&[set]), []);
        assert_eq!(layered.config.agent.attributes[name], "test");
    }

    #[track_caller]
    fn mistakes_of(file: &str) -> Vec<String> {
        let mut layered = Layered::defaults();
        layered
            .apply_file(Path::new("t.toml"), file)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_unknown_key_is_told_with_line_and_nearest_name() {
        assert_eq!(
            mistakes_of("# x\n[trace_store]\nretenton = \"1d\"\n"),
            [
                r#"t.toml line 3: unknown key "retenton" in [trace_store]; did you mean "retention"?"#
            ]
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let told = mistakes_of(
            "[sampler]\ndecision_wait = 30\nroot_quiet = \"2 parsecs\"\n[serverr]\nx = 1\n",
        );
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(
            told.iter()
                .any(|m| m.starts_with("t.toml line 2: sampler.decision_wait: ")),
            "{told:#?}"
        );
        assert!(
            told.iter()
                .any(|m| m.starts_with("t.toml line 3: sampler.root_quiet: ")
                    && m.contains("unknown unit")),
            "{told:#?}"
        );
        assert!(
            told.iter()
                .any(|m| m.starts_with("t.toml line 4: unknown section \"serverr\"")),
            "{told:#?}"
        );
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        let told = mistakes_of("[server]\ndata_dir = \n");
        assert!(told[0].starts_with("t.toml line 2: "), "{told:#?}");
    }

    #[test]
    fn later_layers_win_and_are_named() {
        let mut layered = Layered::defaults();
        assert!(
            layered
                .apply_file(Path::new("t.toml"), "[sampler]\ndecision_wait = \"20s\"\n")
                .is_empty()
        );
        assert!(
            layered
                .apply_environment(
                    [(
                        "TRACEWELL__SAMPLER__DECISION_WAIT".to_owned(),
                        "10s".to_owned()
                    )]
                    .into_iter()
                )
                .is_empty()
        );
        assert_eq!(layered.config.sampler.decision_wait.as_secs(), 10);
        assert!(
            layered
                .apply_sets(&["sampler.decision_wait=5s".to_owned()])
                .is_empty()
        );
        assert_eq!(layered.config.sampler.decision_wait.as_secs(), 5);
        let (_, value, origin) = layered
            .entries()
            .into_iter()
            .find(|(k, ..)| k == "sampler.decision_wait")
            .expect("a key");
        assert_eq!((value.as_str(), origin), (Some("5s"), Origin::Flag));
    }

    #[test]
    fn a_section_is_no_key_and_a_key_no_section() {
        let mut layered = Layered::defaults();
        let told = layered.apply_sets(&[
            "server.log=x".to_owned(),
            "server.data_dir.x=y".to_owned(),
            "server".to_owned(),
        ]);
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
