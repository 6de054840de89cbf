//! `/map/diff`: the calls of two times against each other.

use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::Response;
use serde::Serialize;
use service_map::diff::{Change, Diff, diff as compared};
use telemetry::RecordTime;

use super::super::Frame;
use super::{marks_to, versioned, written};
use crate::Query;
use crate::api::tenant_of;
use crate::map::environment::Environment;
use crate::map::range::Range;
use crate::map::rows::{Rows, tally};
use crate::map::tally::Tally;
use crate::read::parameters::Parameters;
use crate::read::time;
use crate::refusal::Refusal;
use crate::work::off_thread;

#[derive(Serialize)]
struct Shown {
    a: Times,
    b: Times,
    added: Vec<Changed>,
    removed: Vec<Changed>,
    changed: Vec<Changed>,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct Times {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Changed {
    from: String,
    to: String,
    rate: [f64; 2],
    error_ratio: [Option<f64>; 2],
    p95: [Option<f64>; 2],
    z: f64,
}

pub(super) async fn diff(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let now_unix_ns = time::unix_ns(query.0.clock.wall());
    let a = parameters.text("a").ok_or_else(|| {
        Refusal::invalid(
            "'a' is needed: the time to compare with, as now-1h, or a range as now-2h..now-1h",
        )
    })?;
    let a = Range::of_text("a", a, now_unix_ns)?;
    let b = Range::of_text("b", parameters.text("b").unwrap_or("now"), now_unix_ns)?;
    let tenant = tenant_of(&extensions);
    let mut marks = marks_to(&query, b);
    let at_a = tally(&query, &tenant, a, Some(&mut marks)).await?;
    let at_b = tally(&query, &tenant, b, Some(&mut marks)).await?;
    let env = parameters.text("env").map(str::to_owned);
    let (found, is_limited) = off_thread(move || {
        let graph = |tally: &Tally| Rows::of(tally, &Tally::default()).graph();
        let (at_a, at_b) = (graph(&at_a), graph(&at_b));
        let mut found = compared((&at_a, a.seconds()), (&at_b, b.seconds()));
        let there = Environment::of(env.as_deref(), &[&at_a, &at_b]);
        let is_there = |change: &Change| there.has(&change.from) && there.has(&change.to);
        for changes in [&mut found.added, &mut found.removed, &mut found.changed] {
            changes.retain(is_there);
        }
        Ok((found, at_a.n_refused() + at_b.n_refused() > 0))
    })
    .await?;
    marks.limited(is_limited);
    let body = written(&Shown::of(found, a, b, Frame::shared(&marks)))?;
    Ok(versioned(&query, &marks, body, &headers))
}

impl Shown {
    fn of(diff: Diff, a: Range, b: Range, frame: Frame) -> Self {
        let list = |changes: Vec<Change>| changes.iter().map(Changed::of).collect();
        Self {
            a: Times::of(a),
            b: Times::of(b),
            added: list(diff.added),
            removed: list(diff.removed),
            changed: list(diff.changed),
            frame,
        }
    }
}

impl Times {
    fn of(range: Range) -> Self {
        let at = |unix_ms| time::rfc3339(RecordTime { unix_ms });
        Self {
            from: at(range.from_ms),
            to: at(range.to_ms),
        }
    }
}

impl Changed {
    fn of(change: &Change) -> Self {
        Self {
            from: change.from.to_string(),
            to: change.to.to_string(),
            rate: change.rate,
            error_ratio: change.error_ratio,
            p95: change.p95,
            z: change.z,
        }
    }
}
