//! What a Prometheus has and this server has not: it scrapes nothing, so there are no targets; and rules are not evaluated here yet.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::envelope::Answer;
use super::form::Form;
use super::times::invalid;
use crate::Query;
use crate::read::parameters::shortened;
use crate::refusal::Refusal;
use crate::trace::found::Marks;

fn sent(query: &Query, data: &serde_json::Value) -> Result<Response, Refusal> {
    Answer::of(data)?.sent(query, &Marks::default())
}

pub(super) async fn targets(State(query): State<Query>) -> Result<Response, Refusal> {
    sent(
        &query,
        &json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} }),
    )
}

pub(super) async fn targets_metadata(State(query): State<Query>) -> Result<Response, Refusal> {
    sent(&query, &json!([]))
}

pub(super) async fn alertmanagers(State(query): State<Query>) -> Result<Response, Refusal> {
    sent(
        &query,
        &json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }),
    )
}

pub(super) async fn rules(
    State(query): State<Query>,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    if let Some(kind) = parameters.text("type")
        && !matches!(kind, "alert" | "record")
    {
        let kind = shortened(kind);
        return Err(invalid("type", &format!("not supported value {kind:?}")));
    }
    sent(&query, &json!({ "groups": [] }))
}

pub(super) async fn alerts(State(query): State<Query>) -> Result<Response, Refusal> {
    sent(&query, &json!({ "alerts": [] }))
}
