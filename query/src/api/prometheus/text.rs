//! Questions about the text of a query alone: how it is laid out, and what its tree is.

use axum::extract::State;
use axum::response::Response;

use super::envelope::Answer;
use super::form::Form;
use super::query::named;
use super::tree;
use crate::Query;
use crate::refusal::Refusal;
use crate::trace::found::Marks;

/// `GET`, `POST /format_query`.
pub(super) async fn format(
    State(query): State<Query>,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let text = parameters.text("query").unwrap_or_default();
    let features = query.0.promql.config().features;
    let formatted = ::metrics::promql::format(text, features).map_err(named)?;
    Answer::of(&formatted)?.sent(&query, &Marks::default())
}

/// `GET`, `POST /parse_query`.
pub(super) async fn parse(
    State(query): State<Query>,
    Form(parameters): Form,
) -> Result<Response, Refusal> {
    let text = parameters.text("query").unwrap_or_default();
    let features = query.0.promql.config().features;
    let expr = ::metrics::promql::parse(text, features).map_err(named)?;
    Answer::of(&tree::of(&expr))?.sent(&query, &Marks::default())
}
