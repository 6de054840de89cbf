//! `/services/{s}/operations`: spans of a service by operation.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::numbers::{Change, Numbers};
use super::sorted::{Key, Page, Sort};
use super::{Asked, answer};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::range::WEEK_MS;
use crate::map::spans::{By, SPAN_SECONDS, grouped};
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct Operation {
    operation: String,
    /// `server`, `client`, …
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(flatten)]
    numbers: Numbers,
    change: Option<Change>,
}

pub(super) async fn operations(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Total)?;
    let by = by(&asked.parameters)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let read = |range, live| grouped(&query, &asked.tenant, SPAN_SECONDS, &name, by, range, live);
    let now = read(range, Some(&mut marks)).await?;
    let before = read(range.before(WEEK_MS), None).await?;
    let third = by.get(2).copied();
    let items = now
        .iter()
        .map(|(key, measure)| {
            let part = |at: usize| key.get(at).cloned().unwrap_or_default();
            let numbers = Numbers::of(measure, range);
            Operation {
                operation: part(0),
                kind: kind(&part(1)),
                version: (third == Some("service_version")).then(|| part(2)),
                env: (third == Some("deployment_environment")).then(|| part(2)),
                change: numbers.change(before.get(key), range),
                numbers,
            }
        })
        .collect();
    let key = |item: &Operation| Key {
        name: format!(
            "{} {} {:?} {:?}",
            item.operation, item.kind, item.version, item.env
        ),
        rate: item.numbers.rate,
        error_ratio: item.numbers.error_ratio,
        p95: item.numbers.p95,
        total_s: item.numbers.total_s,
        state: "",
    };
    let ui = format!("/ui/services/{name}");
    let frame = asked.frame(&marks, &request_id, &[SPAN_SECONDS], &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

fn by(parameters: &Parameters) -> Result<By, Refusal> {
    match parameters.text("group") {
        None => Ok(&["span_name", "span_kind"]),
        Some("version") => Ok(&["span_name", "span_kind", "service_version"]),
        Some("env") => Ok(&["span_name", "span_kind", "deployment_environment"]),
        Some("instance") => Err(Refusal::invalid(
            "operations are not counted by instance; /instances has the requests of each",
        )),
        Some(_) => Err(Refusal::invalid(
            "unable to parse param 'group': expected version or env",
        )),
    }
}

/// `SPAN_KIND_SERVER` as `server`.
fn kind(label: &str) -> String {
    label
        .strip_prefix("SPAN_KIND_")
        .unwrap_or(label)
        .to_lowercase()
}
