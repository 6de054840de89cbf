//! OTLP metrics on the wire: checked as prost checks them, read in place, and regrouped by copying ranges.
//!
//! In: bytes of `MetricsData` (the shape of `ExportMetricsServiceRequest`) from anywhere. Out: views of accepted points, and valid `MetricsData` by
//! partition. Fields, their types and what is cut stand in the tables of [`super::schema`], which JSON is read by as well.

mod check;
mod entry;
mod fields;
mod identity;
mod judge;
mod limit;
mod regroup;
mod remote_write;
mod rewrite;
mod runs;
mod view;
mod walk;

pub use limit::{MetricLimits, RejectedPoints};
pub use regroup::MetricRegroup;
pub use remote_write::{
    HistogramSide, Label, MetadataView, NativeHistogramView, SampleView, SeriesContent, SeriesView,
    SpanOfBuckets, WriteExemplarView, WriteRegroup, WriteView, WriteWalker,
};
pub use runs::{RunHash, RunMap};
pub use view::{
    BucketsView, DataView, ExemplarView, ExpHistogramPointView, HistogramPointView, MetricView,
    Number, NumberPointView, NumbersView, PointsView, QuantileView, ResourceMetricsView,
    ScopeMetricsView, SummaryPointView, Temporality,
};
pub use walk::{MetricsView, MetricsWalker};
