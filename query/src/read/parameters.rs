//! Parameters of a request: pairs that may repeat. In: a query string. Out: text, numbers, durations and tags, each error naming its parameter.

use std::str::FromStr;

use telemetry::wire::SpanKind;

use crate::read::{duration, kind};
use crate::refusal::Refusal;

/// Longest query string, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 32 << 10;
/// Most traces a request may ask for.
pub(crate) const LIMIT_MAX: usize = 10_000;
/// Traces that are found when a request does not say how many.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// Longest time range of a search.
pub(crate) const RANGE_NS_MAX: u64 = 31 * 24 * 3_600 * 1_000_000_000;
/// Most tags that one search may ask for.
const TAGS_MAX: usize = 128;

/// The parameters of one request, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, Refusal> {
        let query = query.unwrap_or("");
        if query.len() > TEXT_BYTES_MAX {
            return Err(Refusal::invalid(format!(
                "the query string has {} bytes, at most {TEXT_BYTES_MAX} are read",
                query.len()
            )));
        }
        Ok(Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        ))
    }

    /// Those of a form in a body, which is as long as its reader lets it be.
    pub(crate) fn of_form(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    pub(crate) fn followed_by(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The first value of `name` that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// As [`Parameters::text`], under the first of several spellings that is there.
    pub(crate) fn any_text(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| refused(name, "a whole number", text))
        };
        self.text(name).map(parse).transpose()
    }

    pub(crate) fn duration_ns(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.text(name)
            .map(|text| read_duration(name, text))
            .transpose()
    }

    /// How many traces are asked for: 1 to [`LIMIT_MAX`], [`LIMIT_DEFAULT`] without a word.
    pub(crate) fn limit(&self, name: &str) -> Result<usize, Refusal> {
        self.text(name)
            .map_or(Ok(LIMIT_DEFAULT), |text| read_limit(name, text))
    }

    pub(crate) fn flag(&self, names: &[&str]) -> Result<bool, Refusal> {
        match self.any_text(names) {
            None | Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Ok(false),
            Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Ok(true),
            Some(text) => Err(refused(
                names.first().unwrap_or(&"flag"),
                "true or false",
                text,
            )),
        }
    }

    /// A span kind in Jaeger's words.
    pub(crate) fn kind(&self, name: &str) -> Result<Option<SpanKind>, Refusal> {
        let read = |text: &str| {
            kind::of(text).ok_or_else(|| {
                refused(
                    name,
                    "server, client, producer, consumer, internal or unspecified",
                    text,
                )
            })
        };
        self.text(name).map(read).transpose()
    }

    /// Tags written as `tag=key:value` (the value may have colons) and `tags={"key":"value"}`.
    pub(crate) fn tags(&self) -> Result<Vec<(String, String)>, Refusal> {
        let mut tags = Vec::new();
        for text in self.all("tag") {
            let (key, value) = text.split_once(':').ok_or_else(|| {
                Refusal::invalid(format!(
                    "malformed 'tag' parameter, expecting key:value, received: {}",
                    shortened(text)
                ))
            })?;
            tags.push((key.to_owned(), value.to_owned()));
        }
        for text in self.all("tags").filter(|text| !text.is_empty()) {
            tags.extend(tag_map("tags", text)?);
        }
        checked_tags(tags)
    }
}

pub(crate) fn checked_tags(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
    if tags.len() > TAGS_MAX {
        return Err(Refusal::invalid(format!(
            "{} tags, at most {TAGS_MAX} are searched for",
            tags.len()
        )));
    }
    Ok(tags)
}

/// A JSON object of text; numbers and booleans are read as their text.
pub(crate) fn tag_map(name: &str, json: &str) -> Result<Vec<(String, String)>, Refusal> {
    let malformed = |why: String| {
        Refusal::invalid(format!(
            "malformed '{name}' parameter, cannot unmarshal JSON: {why}"
        ))
    };
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|error| malformed(error.to_string()))?;
    object
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => Ok((key, text)),
            serde_json::Value::Number(number) => Ok((key, number.to_string())),
            serde_json::Value::Bool(bool) => Ok((key, bool.to_string())),
            _ => Err(malformed(format!(
                "the value of {:?} is neither text, number nor boolean",
                shortened(&key)
            ))),
        })
        .collect()
}

pub(crate) fn read_duration(name: &str, text: &str) -> Result<u64, Refusal> {
    duration::parse(text).map_err(|error| {
        Refusal::invalid(format!(
            "unable to parse param '{name}': {error}, this is {:?}",
            shortened(text)
        ))
    })
}

pub(crate) fn read_limit(name: &str, text: &str) -> Result<usize, Refusal> {
    match text.parse() {
        Ok(limit) => check_limit(name, limit),
        Err(_) => Err(refused(name, "a whole number", text)),
    }
}

pub(crate) fn check_limit(name: &str, limit: usize) -> Result<usize, Refusal> {
    if (1..=LIMIT_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(Refusal::invalid(format!(
            "'{name}' is 1 to {LIMIT_MAX}, this is {limit}"
        )))
    }
}

/// Refuses what can match nothing.
pub(crate) fn check_durations(
    min_ns: Option<u64>,
    max_ns: Option<u64>,
    max_name: &str,
    min_name: &str,
) -> Result<(), Refusal> {
    match (min_ns, max_ns) {
        (Some(min), Some(max)) if min > max => Err(Refusal::invalid(format!(
            "'{max_name}' should be greater than '{min_name}'"
        ))),
        _ => Ok(()),
    }
}

/// Refuses ranges that are empty or longer than [`RANGE_NS_MAX`].
pub(crate) fn check_range(start_unix_ns: u64, end_unix_ns: u64) -> Result<(), Refusal> {
    match end_unix_ns.checked_sub(start_unix_ns) {
        None => Err(Refusal::invalid(
            "the start of the time range lies after its end",
        )),
        Some(range_ns) if range_ns > RANGE_NS_MAX => Err(Refusal::invalid(format!(
            "the time range has {} hours, at most {} are searched",
            range_ns / 3_600_000_000_000,
            RANGE_NS_MAX / 3_600_000_000_000
        ))),
        Some(_) => Ok(()),
    }
}

fn refused(name: &str, expected: &str, text: &str) -> Refusal {
    Refusal::invalid(format!(
        "unable to parse param '{name}': expected {expected}, this is {:?}",
        shortened(text)
    ))
}

/// Text of a request as an answer repeats it: not long.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Parameters {
        Parameters::of_query(Some(query)).expect("short enough")
    }

    #[test]
    fn tags_are_read_in_both_spellings() {
        let tags =
            of("tag=a:b:c&tags=%7B%22n%22%3A1%2C%22t%22%3Atrue%2C%22s%22%3A%22x%22%7D&tag=d%3A")
                .tags()
                .expect("tags");
        let text: Vec<String> = tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(text, ["a=b:c", "d=", "n=1", "s=x", "t=true"]);
    }

    #[track_caller]
    fn refuses(what: Result<impl std::fmt::Debug, Refusal>, part: &str) {
        let told = what.expect_err("refused").to_string();
        assert!(told.contains(part), "{told}");
    }

    #[test]
    fn every_refusal_names_its_parameter() {
        refuses(
            of("tag=x").tags(),
            "malformed 'tag' parameter, expecting key:value, received: x",
        );
        refuses(of("tags=x").tags(), "malformed 'tags' parameter");
        refuses(of("tags={\"a\":[]}").tags(), "malformed 'tags' parameter");
        refuses(of(&"tag=a:b&".repeat(129)).tags(), "129 tags");
        refuses(of("limit=0").limit("limit"), "'limit' is 1 to 10000");
        refuses(of("limit=10001").limit("limit"), "'limit' is 1 to 10000");
        refuses(
            of("limit=99999999999999999999").limit("limit"),
            "param 'limit'",
        );
        refuses(
            of("minDuration=5").duration_ns("minDuration"),
            "param 'minDuration'",
        );
        refuses(of("raw=maybe").flag(&["raw"]), "param 'raw'");
        refuses(
            Parameters::of_query(Some(&"a".repeat(TEXT_BYTES_MAX + 1))),
            "32769 bytes",
        );
        refuses(check_range(2, 1), "after its end");
        refuses(check_range(0, u64::MAX), "at most 744");
        refuses(
            check_durations(Some(2), Some(1), "maxDuration", "minDuration"),
            "'maxDuration' should be greater than 'minDuration'",
        );
    }
}
