//! OTLP traces and metrics on the wire: read in place, regrouped by copying ranges, never built in memory.
//!
//! In: bytes of `TracesData` (the shape of `ExportTraceServiceRequest`) from anywhere, or OTLP JSON. Out: checked views and valid
//! `TracesData` again. What prost refuses is refused; every value read is the one prost decodes.

mod entry;
mod fault;
mod field;
pub mod json;
mod limit;
mod locate;
mod metric;
mod proto;
mod rewrite;
mod schema;
mod trace;
mod value;
mod walk;
mod write;

pub use fault::WalkError;
pub use limit::{Rejected, WalkLimits};
pub use locate::RecordSpans;
pub use metric::{
    BucketsView, DataView, ExemplarView, ExpHistogramPointView, HistogramPointView, HistogramSide,
    Label, MetadataView, MetricLimits, MetricRegroup, MetricView, MetricsView, MetricsWalker,
    NativeHistogramView, Number, NumberPointView, NumbersView, PointsView, QuantileView,
    RejectedPoints, ResourceMetricsView, RunHash, RunMap, SampleView, ScopeMetricsView,
    SeriesContent, SeriesView, SpanOfBuckets, SummaryPointView, Temporality, WriteExemplarView,
    WriteRegroup, WriteView, WriteWalker,
};
pub use trace::{
    EventView, LinkView, ResourceView, ScopeView, SpanKind, SpanPlace, SpanView, StatusCode,
    TracesView,
};
pub use value::{ArrayView, Attributes, UnreadValue, ValueView};
pub use walk::{FoundSpan, NoSpan, TraceWalker, span_at};
pub use write::{Regroup, TraceWriter};
