//! The answer of Prometheus' API to a query, as it is read here.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) data: Data,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
    #[serde(default)]
    pub(super) infos: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub(super) enum Data {
    Scalar(Point<String>),
    String(Point<String>),
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
}

/// Seconds since 1970 and a value.
pub(super) type Point<V> = (f64, V);

#[derive(Debug, Deserialize)]
pub(super) struct Sample {
    pub(super) metric: BTreeMap<String, String>,
    pub(super) value: Option<Point<String>>,
    pub(super) histogram: Option<Point<Histogram>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Series {
    pub(super) metric: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) values: Vec<Point<String>>,
    #[serde(default)]
    pub(super) histograms: Vec<Point<Histogram>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Histogram {
    pub(super) count: String,
    pub(super) sum: String,
    /// Which bounds belong to it, lower, upper, count.
    #[serde(default)]
    pub(super) buckets: Vec<(u8, String, String, String)>,
}
