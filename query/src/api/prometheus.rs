//! Prometheus' HTTP API under `/api/v1`, and once more under `/prometheus`. In: GET with parameters, or POST with a form. Out: series, names and
//! values in Prometheus' envelope, from the store of metrics.

mod buckets;
mod envelope;
mod exemplars;
mod federate;
mod form;
mod label_name;
mod made;
mod metadata;
mod nothing;
mod number;
mod out;
mod process;
mod query;
mod series;
mod text;
mod times;
mod tree;
mod tsdb;
mod value;

use ::metrics::SelectError;
use ::metrics::promql::{ErrorType, PromqlError};
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get};
use futures::FutureExt;

use crate::Query;
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;

/// Under `/api/v1`.
pub(super) fn routes() -> Router<Query> {
    Router::new()
        .route("/query", both(query::instant))
        .route("/query_range", both(query::range))
        .route("/query_exemplars", both(exemplars::exemplars))
        .route("/format_query", both(text::format))
        .route("/parse_query", both(text::parse))
        .route("/series", both(series::series))
        .route("/labels", both(series::labels))
        .route("/label/{name}/values", get(series::values))
        .route("/metadata", get(metadata::metadata))
        .route("/targets", get(nothing::targets))
        .route("/targets/metadata", get(nothing::targets_metadata))
        .route("/alertmanagers", get(nothing::alertmanagers))
        .route("/rules", get(nothing::rules))
        .route("/alerts", get(nothing::alerts))
        .route("/status/buildinfo", get(process::buildinfo))
        .route("/status/runtimeinfo", get(process::runtimeinfo))
        .route("/status/flags", get(process::flags))
        .route("/status/config", get(process::config))
        .route("/status/walreplay", get(process::walreplay))
        .route("/status/tsdb", get(tsdb::tsdb))
}

/// At the root, for other servers.
pub(super) fn federation() -> Router<Query> {
    Router::new().route("/federate", get(federate::federate))
}

/// A route that takes its parameters from either place.
fn both<T: 'static>(handler: impl Handler<T, Query>) -> MethodRouter<Query> {
    get(handler.clone()).post(handler)
}

/// How complete answers are that are read from now on.
pub(in crate::api) fn marks(query: &Query) -> Marks {
    let series = &query.0.series;
    let knows_all = series.all_caught_up().now_or_never().is_some();
    Marks {
        partial: if knows_all { vec![] } else { vec!["lag"] },
        complete_to: series.complete_to(),
    }
}

impl From<SelectError> for Refusal {
    fn from(error: SelectError) -> Self {
        match error {
            SelectError::TooManySamples { .. } => Self::new(
                Kind::TooLarge,
                format!("{error}; ask for a shorter range or fewer series"),
            ),
            SelectError::Read(error) => Self::new(
                Kind::Internal,
                format!("stored series cannot be read: {error}"),
            ),
        }
    }
}

impl From<PromqlError> for Refusal {
    fn from(error: PromqlError) -> Self {
        let kind = match error.error_type() {
            ErrorType::BadData => Kind::Invalid,
            ErrorType::Execution => Kind::TooLarge,
            ErrorType::Timeout => Kind::Deadline,
            ErrorType::Unavailable => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}
