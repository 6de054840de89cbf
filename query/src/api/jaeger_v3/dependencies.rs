//! `/api/v3/dependencies` and `GetDependencies`: who calls whom between two times, both of which must be there.

use axum::extract::{RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde_json::json;

use super::find::{message_time, required_time};
use super::message::GetDependenciesRequest;
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::{json_answer, marked, tenant_of};
use crate::map::direct;
use crate::map::range::Range;
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

pub(super) async fn dependencies(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let time =
        |camel: &str, snake: &str| required_time(camel, parameters.any_text(&[camel, snake]));
    let range = range(
        time("startTime", "start_time")?,
        time("endTime", "end_time")?,
    )?;
    let (mut marks, tenant) = (marks(&query), tenant_of(&extensions));
    let found = direct::dependencies(&query, &tenant, range, None, &mut marks).await?;
    // 64-bit numbers are text in the JSON of messages
    let written: Vec<_> = found
        .iter()
        .map(|one| json!({ "parent": one.parent, "child": one.child, "callCount": one.n_calls.to_string() }))
        .collect();
    let mut response = json_answer(&json!({ "dependencies": written }))?;
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

/// The range of a message.
pub(in crate::api) fn range_of_message(message: &GetDependenciesRequest) -> Result<Range, Refusal> {
    range(
        message_time("start_time", message.start_time)?,
        message_time("end_time", message.end_time)?,
    )
}

fn range(start_unix_ns: u64, end_unix_ns: u64) -> Result<Range, Refusal> {
    if start_unix_ns >= end_unix_ns {
        return Err(Refusal::invalid("startTime must be before endTime"));
    }
    let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    Range {
        from_ms: ms(start_unix_ns),
        to_ms: ms(end_unix_ns.saturating_add(999_999)),
    }
    .checked()
}
