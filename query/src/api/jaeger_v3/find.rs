//! What `FindTraces` and `FindTraceSummaries` ask, from a query string, a JSON body or a message.

use serde::Deserialize;
use trace_store::Filter;

use super::message::{Duration, Timestamp, TraceQueryParameters};
use crate::read::parameters::{
    LIMIT_DEFAULT, Parameters, check_durations, check_limit, check_range, checked_tags,
    read_duration, read_limit, tag_map,
};
use crate::read::time;
use crate::refusal::Refusal;

/// A search, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Find {
    pub(in crate::api) filter: Filter,
    pub(in crate::api) limit: usize,
    /// As stored, without what sampling says.
    pub(in crate::api) raw: bool,
}

/// The JSON form of the request: the proto3 names, or the original ones.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    query: BodyQuery,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BodyQuery {
    #[serde(alias = "service_name")]
    service_name: String,
    #[serde(alias = "operation_name")]
    operation_name: String,
    attributes: serde_json::Value,
    #[serde(alias = "start_time_min")]
    start_time_min: String,
    #[serde(alias = "start_time_max")]
    start_time_max: String,
    #[serde(alias = "duration_min")]
    duration_min: String,
    #[serde(alias = "duration_max")]
    duration_max: String,
    #[serde(alias = "search_depth", alias = "numTraces", alias = "num_traces")]
    search_depth: i64,
    #[serde(alias = "raw_traces")]
    raw_traces: bool,
    filter: Option<serde_json::Value>,
}

impl Find {
    pub(super) fn of_parameters(parameters: &Parameters) -> Result<Self, Refusal> {
        if parameters.text("query.filter").is_some() {
            return Err(no_filter());
        }
        let text = |camel: &str, snake: &str| parameters.any_text(&[camel, snake]);
        let time = |camel: &str, snake: &str| required_time(camel, text(camel, snake));
        let duration = |camel: &str, snake: &str| {
            text(camel, snake)
                .map(|text| read_duration(camel, text))
                .transpose()
        };
        let limit = parameters.any_text(&[
            "query.searchDepth",
            "query.search_depth",
            "query.numTraces",
            "query.num_traces",
        ]);
        let attributes = parameters
            .text("query.attributes")
            .map_or_else(|| Ok(Vec::new()), |json| tag_map("query.attributes", json))?;
        Parts {
            service: text("query.serviceName", "query.service_name"),
            operation: text("query.operationName", "query.operation_name"),
            attributes,
            start_min: time("query.startTimeMin", "query.start_time_min")?,
            start_max: time("query.startTimeMax", "query.start_time_max")?,
            duration_min: duration("query.durationMin", "query.duration_min")?,
            duration_max: duration("query.durationMax", "query.duration_max")?,
            limit: limit.map_or(Ok(LIMIT_DEFAULT), |text| {
                read_limit("query.searchDepth", text)
            })?,
            raw: parameters.flag(&["query.rawTraces", "query.raw_traces"])?,
        }
        .checked()
    }

    pub(super) fn of_json(bytes: &[u8]) -> Result<Self, Refusal> {
        let Body { query } = serde_json::from_slice(bytes)
            .map_err(|error| Refusal::invalid(format!("malformed body: {error}")))?;
        if query.filter.is_some_and(|filter| !filter.is_null()) {
            return Err(no_filter());
        }
        let attributes = match &query.attributes {
            serde_json::Value::Null => Vec::new(),
            serde_json::Value::String(json) => tag_map("attributes", json)?,
            object => tag_map("attributes", &object.to_string())?,
        };
        let some = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
        let duration = |name: &str, text: &str| {
            some(text)
                .map(|text| read_duration(name, &text))
                .transpose()
        };
        Parts {
            service: some(&query.service_name).as_deref(),
            operation: some(&query.operation_name).as_deref(),
            attributes,
            start_min: required_time("startTimeMin", some(&query.start_time_min).as_deref())?,
            start_max: required_time("startTimeMax", some(&query.start_time_max).as_deref())?,
            duration_min: duration("durationMin", &query.duration_min)?,
            duration_max: duration("durationMax", &query.duration_max)?,
            limit: depth(query.search_depth)?,
            raw: query.raw_traces,
        }
        .checked()
    }

    pub(in crate::api) fn of_message(query: Option<TraceQueryParameters>) -> Result<Self, Refusal> {
        let query = query.ok_or_else(|| Refusal::invalid("missing query"))?;
        if query.filter.is_some() {
            return Err(no_filter());
        }
        // A map of a message has no order: the tags get one, so that an answer does not depend on it.
        let mut attributes: Vec<(String, String)> = query.attributes.into_iter().collect();
        attributes.sort_unstable();
        Parts {
            service: Some(query.service_name.as_str()).filter(|text| !text.is_empty()),
            operation: Some(query.operation_name.as_str()).filter(|text| !text.is_empty()),
            attributes,
            start_min: message_time("start_time_min", query.start_time_min)?,
            start_max: message_time("start_time_max", query.start_time_max)?,
            duration_min: query
                .duration_min
                .map(|duration| message_duration("duration_min", duration))
                .transpose()?,
            duration_max: query
                .duration_max
                .map(|duration| message_duration("duration_max", duration))
                .transpose()?,
            limit: depth(query.search_depth.into())?,
            raw: query.raw_traces,
        }
        .checked()
    }
}

/// The parts of a search, each read but not yet held against the others.
struct Parts<'a> {
    service: Option<&'a str>,
    operation: Option<&'a str>,
    attributes: Vec<(String, String)>,
    start_min: u64,
    /// Exclusive, as api_v3 says.
    start_max: u64,
    duration_min: Option<u64>,
    duration_max: Option<u64>,
    limit: usize,
    raw: bool,
}

impl Parts<'_> {
    fn checked(self) -> Result<Find, Refusal> {
        if self.start_min >= self.start_max {
            return Err(Refusal::invalid("startTimeMin must be before startTimeMax"));
        }
        check_range(self.start_min, self.start_max)?;
        check_durations(
            self.duration_min,
            self.duration_max,
            "durationMax",
            "durationMin",
        )?;
        let filter = Filter {
            service: self.service.map(str::to_owned),
            operation: self.operation.map(str::to_owned),
            tags: checked_tags(self.attributes)?,
            duration_min_ns: self.duration_min.filter(|ns| *ns > 0),
            duration_max_ns: self.duration_max.filter(|ns| *ns > 0),
            start_min_unix_ns: Some(self.start_min),
            start_max_unix_ns: Some(self.start_max - 1),
            ..Filter::default()
        };
        Ok(Find {
            filter,
            limit: self.limit,
            raw: self.raw,
        })
    }
}

fn no_filter() -> Refusal {
    Refusal::invalid(
        "structured filters (query.filter) are a later piece and are not searched by yet",
    )
}

/// 0 is what a message without a depth says.
fn depth(search_depth: i64) -> Result<usize, Refusal> {
    match search_depth {
        0 => Ok(LIMIT_DEFAULT),
        depth => check_limit("searchDepth", usize::try_from(depth).unwrap_or(0)),
    }
}

pub(super) fn required_time(name: &str, text: Option<&str>) -> Result<u64, Refusal> {
    let text = text.ok_or_else(|| Refusal::invalid(format!("{name} is required")))?;
    time::rfc3339_unix_ns(name, text)
}

pub(super) fn message_time(name: &str, time: Option<Timestamp>) -> Result<u64, Refusal> {
    let time = time.ok_or_else(|| Refusal::invalid(format!("{name} is required")))?;
    ns(time.seconds, time.nanos)
        .ok_or_else(|| Refusal::invalid(format!("{name} is not between 1970 and 2554")))
}

fn message_duration(name: &str, duration: Duration) -> Result<u64, Refusal> {
    ns(duration.seconds, duration.nanos)
        .ok_or_else(|| Refusal::invalid(format!("{name} is negative or too long")))
}

fn ns(seconds: i64, nanos: i32) -> Option<u64> {
    u64::try_from(seconds)
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(nanos).ok()?)
}

/// The bounds that a look-up by id may give. They only help stores that need them; ours does not, but they must be times.
pub(super) fn check_optional_times(parameters: &Parameters) -> Result<(), Refusal> {
    for names in [["startTime", "start_time"], ["endTime", "end_time"]] {
        if let Some(text) = parameters.any_text(&names) {
            time::rfc3339_unix_ns(names[0], text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: &str =
        "query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2017-01-26T17:46:31.639875Z";

    fn of(query: &str) -> Result<Find, Refusal> {
        Find::of_parameters(&Parameters::of_query(Some(query)).expect("short"))
    }

    fn expected() -> Find {
        let filter = Filter {
            service: Some("s".to_owned()),
            operation: Some("o".to_owned()),
            tags: vec![("a".to_owned(), "1".to_owned())],
            duration_min_ns: Some(4_500),
            duration_max_ns: Some(5_500),
            start_min_unix_ns: Some(1_485_445_591_000_000_000),
            start_max_unix_ns: Some(1_485_452_791_639_874_999),
            ..Filter::default()
        };
        Find {
            filter,
            limit: 7,
            raw: true,
        }
    }

    #[test]
    fn all_three_forms_mean_the_same() {
        let camel = of(&format!(
            "{RANGE}&query.serviceName=s&query.operationName=o&query.attributes=%7B%22a%22:%221%22%7D\
             &query.durationMin=4.5us&query.durationMax=5500ns&query.searchDepth=7&query.rawTraces=true"
        ));
        let snake = of(
            "query.start_time_min=2017-01-26T15:46:31Z&query.start_time_max=2017-01-26T17:46:31.639875Z\
             &query.service_name=s&query.operation_name=o&query.attributes=%7B%22a%22:%221%22%7D\
             &query.duration_min=4.5us&query.duration_max=5500ns&query.num_traces=7&query.raw_traces=true",
        );
        let body = Find::of_json(
            br#"{"query":{"serviceName":"s","operation_name":"o","attributes":{"a":"1"},"startTimeMin":"2017-01-26T15:46:31Z",
            "startTimeMax":"2017-01-26T17:46:31.639875Z","durationMin":"0.0000045s","durationMax":"5500ns","searchDepth":7,"rawTraces":true}}"#,
        );
        let message = Find::of_message(Some(TraceQueryParameters {
            service_name: "s".to_owned(),
            operation_name: "o".to_owned(),
            attributes: [("a".to_owned(), "1".to_owned())].into(),
            start_time_min: Some(Timestamp {
                seconds: 1_485_445_591,
                nanos: 0,
            }),
            start_time_max: Some(Timestamp {
                seconds: 1_485_452_791,
                nanos: 639_875_000,
            }),
            duration_min: Some(Duration {
                seconds: 0,
                nanos: 4_500,
            }),
            duration_max: Some(Duration {
                seconds: 0,
                nanos: 5_500,
            }),
            search_depth: 7,
            raw_traces: true,
            filter: None,
        }));
        for found in [camel, snake, body, message] {
            assert_eq!(found, Ok(expected()));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (query, why) in [
            ("", "query.startTimeMin is required"),
            (
                "query.startTimeMin=2017-01-26T15:46:31Z",
                "query.startTimeMax is required",
            ),
            (
                "query.startTimeMin=x&query.startTimeMax=y",
                "param 'query.startTimeMin'",
            ),
            (
                "query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2017-01-26T15:46:31Z",
                "must be before",
            ),
            (
                "query.startTimeMin=2017-01-26T15:46:31Z&query.startTimeMax=2018-01-26T15:46:31Z",
                "744",
            ),
            (
                &format!("{RANGE}&query.searchDepth=10001"),
                "'query.searchDepth' is 1 to 10000",
            ),
            (
                &format!("{RANGE}&query.searchDepth=-1"),
                "param 'query.searchDepth'",
            ),
            (
                &format!("{RANGE}&query.durationMin=1"),
                "param 'query.durationMin'",
            ),
            (
                &format!("{RANGE}&query.attributes=x"),
                "malformed 'query.attributes'",
            ),
            (&format!("{RANGE}&query.filter=%7B%7D"), "later piece"),
        ] {
            let told = of(query).expect_err(query).to_string();
            assert!(told.contains(why), "{query}: {told}");
        }
        for body in ["", "[]", "{\"query\":{\"searchDepth\":\"x\"}}", "{}"] {
            assert!(Find::of_json(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Find::of_message(None).is_err());
        let negative = TraceQueryParameters {
            start_time_min: Some(Timestamp {
                seconds: -1,
                nanos: 0,
            }),
            ..TraceQueryParameters::default()
        };
        assert!(Find::of_message(Some(negative)).is_err());
    }
}
