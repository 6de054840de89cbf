//! PromQL: queries over the store, as Prometheus 3.8 answers them.
//!
//! In: the text of a query and the times it is asked at. Out: an [`Answer`], or a [`PromqlError`] that says which limit, feature or rule stood in the
//! way. A query is parsed and bounded, its selectors are read, and it is evaluated away from the async threads. This knows nothing of HTTP.

mod aggregate;
pub mod ast;
mod binary;
mod engine;
mod error;
mod eval;
mod fetch;
mod format;
mod functions;
mod histograms;
mod kahan;
mod length;
mod lex;
mod limits;
mod merge;
mod native;
mod note;
mod number;
mod over;
mod parse;
mod quantile;
pub mod signature;
mod steps;
mod time;
mod work;

use std::sync::Arc;

use crate::{Labels, Matcher, MetricsStore, Samples};

pub use error::{ErrorType, PromqlError};
pub use limits::{EngineConfig, Features, QueryOptions, UnknownFeature};

/// Asks a store in PromQL. Cheap to clone; every clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    store: MetricsStore,
    config: EngineConfig,
}

/// A value of PromQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Scalar {
        at_unix_ms: i64,
        value: f64,
    },
    String {
        at_unix_ms: i64,
        value: String,
    },
    /// Of an instant query, in the order that the query asks for.
    Vector(Vec<Sample>),
    /// Of a range query, or of an instant one for a range; in order of labels. No series is empty, no value is a stale marker.
    Matrix(Vec<Series>),
}

/// One series at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub at_unix_ms: i64,
    /// A float or a native histogram.
    pub value: crate::Value,
}

/// One series over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub points: Samples,
}

/// What a query gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub value: Value,
    /// Sentences of Prometheus, each once, sorted: `PromQL warning: …`.
    pub warnings: Vec<String>,
    /// Likewise: `PromQL info: …`.
    pub infos: Vec<String>,
    /// Samples that were read, for each step again.
    pub n_samples: u64,
}

impl Engine {
    #[must_use]
    pub fn new(store: MetricsStore, config: EngineConfig) -> Self {
        Self {
            inner: Arc::new(Inner { store, config }),
        }
    }

    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }
}

/// The instants of a range query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryRange {
    pub start_unix_ms: i64,
    /// Included if a step ends there.
    pub end_unix_ms: i64,
    pub step_ms: i64,
}

/// A query in the layout of `promtool promql format`.
///
/// # Errors
/// When it is no query.
pub fn format(query: &str, features: Features) -> Result<String, PromqlError> {
    parse::parse(query, features).map(|expr| format::pretty(&expr))
}

/// The tree of a query.
///
/// # Errors
/// When it is no query.
pub fn parse(query: &str, features: Features) -> Result<ast::Expr, PromqlError> {
    parse::parse(query, features)
}

/// The matchers of a selector as `match[]` has them: `up{job="a"}`.
///
/// # Errors
/// When it is no selector of instants.
pub fn parse_matchers(selector: &str) -> Result<Vec<Matcher>, PromqlError> {
    let expr = parse::parse(selector, Features::default())?;
    match expr.kind {
        ast::ExprKind::Selector(selector)
            if selector.time.offset.is_none() && selector.time.at.is_none() =>
        {
            Ok(selector.matchers)
        }
        _ => Err(PromqlError::BadData(format!(
            "{selector:?} is no series selector such as up{{job=\"api\"}}"
        ))),
    }
}
