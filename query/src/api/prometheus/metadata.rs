//! What metrics are: kind, unit, description.

use std::collections::BTreeMap;

use ::metrics::labels::NAME;
use ::metrics::row::Metadata;
use axum::extract::State;
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::envelope::Answer;
use super::form::Form;
use super::{made, marks};
use crate::Query;
use crate::api::tenant_of;
use crate::refusal::Refusal;

/// What Tracewell makes itself is described if it was made in this time before now: to look for it in every block would open them all.
const RECENT_MS: i64 = 3_600_000;

#[derive(Serialize)]
struct Described<'a> {
    r#type: &'static str,
    help: &'a str,
    unit: &'a str,
}

impl<'a> From<&'a Metadata> for Described<'a> {
    fn from(metadata: &'a Metadata) -> Self {
        Self {
            r#type: metadata.kind.name(),
            help: &metadata.help,
            unit: &metadata.unit,
        }
    }
}

/// `GET /metadata`.
pub(super) async fn metadata(
    State(query): State<Query>,
    extensions: Extensions,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let limit: Option<i64> = parameters.number("limit")?;
    parameters.number::<i64>("limit_per_metric")?;
    let marks = marks(&query);
    let (tenant, store) = (tenant_of(&extensions), &query.0.series);
    let mut all = store.metadata(&tenant).await?;
    let now = query.0.clock.wall().unix_ms;
    let names = store.label_values(&tenant, NAME, &[], now.saturating_sub(RECENT_MS), now);
    for (name, metadata) in made::among(&names.await?) {
        all.entry(name.to_owned()).or_insert(metadata);
    }
    if let Some(metric) = parameters.text("metric") {
        all.retain(|name, _| name == metric);
    }
    let n_max = limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    // One description a metric is kept, so a limit of each is felt at no number but 0, which Prometheus reads as none.
    let answer: BTreeMap<&str, Vec<Described<'_>>> = all
        .iter()
        .take(n_max)
        .map(|(name, metadata)| (name.as_str(), vec![Described::from(metadata)]))
        .collect();
    Answer::of(&answer)?.sent(&query, &marks)
}
