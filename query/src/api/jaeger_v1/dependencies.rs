//! `/api/dependencies`: who calls whom. Times are ms.

use axum::extract::{RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::Envelope;
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::{json_answer, marked, tenant_of};
use crate::map::direct;
use crate::map::range::{HOUR_MS, Range, WINDOW_MS};
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

/// How far back it looks that says nothing of time.
const LOOKBACK_MS: u64 = 24 * HOUR_MS as u64;

#[derive(Serialize)]
struct Dependency {
    parent: String,
    child: String,
    #[serde(rename = "callCount")]
    call_count: u64,
}

pub(super) async fn dependencies(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let range = range(&parameters, query.0.clock.wall().unix_ms)?;
    let mut marks = marks(&query);
    let (tenant, service) = (tenant_of(&extensions), parameters.text("service"));
    let found = direct::dependencies(&query, &tenant, range, service, &mut marks).await?;
    let written = |one: direct::Dependency| Dependency {
        parent: one.parent,
        child: one.child,
        call_count: one.n_calls,
    };
    let data: Vec<Dependency> = found.into_iter().map(written).collect();
    let total = data.len();
    let mut response = json_answer(&Envelope::of(data, total, Vec::new()))?;
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

/// `lookback` before `endTs`, which is now: then the window that is still open belongs to it.
fn range(parameters: &Parameters, now_unix_ms: i64) -> Result<Range, Refusal> {
    let ms = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let end = parameters.number::<u64>("endTs")?.map(ms);
    let to_ms = end.unwrap_or_else(|| now_unix_ms.saturating_add(WINDOW_MS));
    let lookback = parameters.number::<u64>("lookback")?.unwrap_or(LOOKBACK_MS);
    Range {
        from_ms: to_ms.saturating_sub(ms(lookback)).max(0),
        to_ms,
    }
    .checked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_at_a_time_and_goes_back_from_it() {
        let of = |query: &str| {
            let parameters = Parameters::of_query(Some(query)).expect("short");
            range(&parameters, 100_000_000).map(|range| (range.from_ms, range.to_ms))
        };
        assert_eq!(of(""), Ok((13_610_000, 100_010_000)));
        assert_eq!(of("endTs=5000&lookback=2000"), Ok((3_000, 5_000)));
        assert_eq!(of("endTs=5000"), Ok((0, 5_000)));
        for query in ["endTs=x", "lookback=-1", "lookback=0", "endTs=0"] {
            assert!(of(query).is_err(), "{query}");
        }
        let long = format!("endTs=9999999999&lookback={}", 745 * HOUR_MS);
        assert!(of(&long).is_err());
    }
}
