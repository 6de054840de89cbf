//! Why there is nothing on a map: a person who sees none must know what to do.

use service_map::graph::cluster::Only;
use telemetry::{RecordTime, Tenant};

use super::asked::Asked;
use crate::Query;
use crate::map::range::Range;
use crate::map::source::series;
use crate::map::tally::{INSTANCE_INFO, seen};
use crate::read::time;
use crate::refusal::Refusal;

/// How far before a range services are looked for.
const LOOK_BACK_MS: i64 = 24 * 3_600_000;

/// A sentence. `n_entities` were there before the filter.
pub(super) async fn why(
    query: &Query,
    tenant: &Tenant,
    asked: &Asked,
    n_entities: usize,
) -> Result<String, Refusal> {
    if n_entities > 0 {
        return Ok(filtered(asked, n_entities));
    }
    let before = Range {
        from_ms: asked.range.from_ms.saturating_sub(LOOK_BACK_MS),
        to_ms: asked.range.from_ms,
    };
    let found = series(query, tenant, INSTANCE_INFO, &[], before, None).await;
    let last = match found {
        Ok(found) => found
            .iter()
            .filter_map(|one| seen(one, before).last())
            .max(),
        Err(_) => None, // the sentence is then less precise, and still true
    };
    Ok(match last {
        Some(unix_ms) => format!(
            "no service was heard of in this range; the last one was at {}: ask for a range that ends later than that",
            time::rfc3339(RecordTime { unix_ms })
        ),
        None => "no service was heard of in this range nor in the 24 h before it: send spans by OTLP to port 4317 (gRPC) or 4318 (HTTP), or look at an earlier range".to_owned(),
    })
}

fn filtered(asked: &Asked, n_entities: usize) -> String {
    let hidden = format!("all {n_entities} entities are hidden by the filter");
    match asked.only {
        Only::Problems => format!("{hidden}: none of them has a problem"),
        Only::Changed => format!("{hidden}: none of them changed"),
        Only::All => format!("{hidden}: nothing matches env, focus and q"),
    }
}
