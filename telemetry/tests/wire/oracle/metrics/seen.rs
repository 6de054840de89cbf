//! Views of metrics built back into prost's structs.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use telemetry::wire::{
    BucketsView, DataView, ExemplarView, ExpHistogramPointView, HistogramPointView, MetricView,
    MetricsView, Number, NumberPointView, ScopeMetricsView, SummaryPointView,
};

use super::*;
use crate::oracle::rebuild::attributes;

/// All that a view shows.
pub(crate) fn seen(view: &MetricsView<'_>) -> MetricsData {
    let resources = view.resources().map(|view| ResourceMetrics {
        resource: view.has_resource().then(|| Resource {
            attributes: attributes(view.attributes()),
            dropped_attributes_count: view.dropped_attributes_count(),
            entity_refs: Vec::new(),
        }),
        scope_metrics: view.scopes().map(|view| scope(&view)).collect(),
        schema_url: view.schema_url().to_owned(),
    });
    MetricsData {
        resource_metrics: resources.collect(),
    }
}

fn scope(view: &ScopeMetricsView<'_>) -> ScopeMetrics {
    ScopeMetrics {
        scope: view.has_scope().then(|| InstrumentationScope {
            name: view.name().to_owned(),
            version: view.version().to_owned(),
            attributes: attributes(view.attributes()),
            dropped_attributes_count: view.dropped_attributes_count(),
        }),
        metrics: view.metrics().map(|view| metric(&view)).collect(),
        schema_url: view.schema_url().to_owned(),
    }
}

fn metric(view: &MetricView<'_>) -> Metric {
    Metric {
        name: view.name.to_owned(),
        description: view.description.to_owned(),
        unit: view.unit.to_owned(),
        metadata: attributes(view.metadata()),
        data: view.data().map(data),
    }
}

fn data(view: DataView<'_>) -> Data {
    match view {
        DataView::Gauge { points } => Data::Gauge(Gauge {
            data_points: points.map(|point| number_point(&point)).collect(),
        }),
        DataView::Sum {
            points,
            temporality,
            is_monotonic,
        } => Data::Sum(Sum {
            data_points: points.map(|point| number_point(&point)).collect(),
            aggregation_temporality: temporality.0,
            is_monotonic,
        }),
        DataView::Histogram {
            points,
            temporality,
        } => Data::Histogram(Histogram {
            data_points: points.map(|point| histogram_point(&point)).collect(),
            aggregation_temporality: temporality.0,
        }),
        DataView::ExpHistogram {
            points,
            temporality,
        } => Data::ExponentialHistogram(ExponentialHistogram {
            data_points: points.map(|point| exponential_point(&point)).collect(),
            aggregation_temporality: temporality.0,
        }),
        DataView::Summary { points } => Data::Summary(Summary {
            data_points: points.map(|point| summary_point(&point)).collect(),
        }),
    }
}

fn number_point(view: &NumberPointView<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(view.attributes()),
        start_time_unix_nano: view.start_unix_ns,
        time_unix_nano: view.unix_ns,
        exemplars: view.exemplars().map(|view| exemplar(&view)).collect(),
        flags: view.flags,
        value: view.value.map(|value| match value {
            Number::Int(value) => NumberValue::AsInt(value),
            Number::Double(value) => NumberValue::AsDouble(value),
        }),
    }
}

fn histogram_point(view: &HistogramPointView<'_>) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(view.attributes()),
        start_time_unix_nano: view.start_unix_ns,
        time_unix_nano: view.unix_ns,
        count: view.count,
        sum: view.sum,
        bucket_counts: view.bucket_counts().collect(),
        explicit_bounds: view.explicit_bounds().collect(),
        exemplars: view.exemplars().map(|view| exemplar(&view)).collect(),
        flags: view.flags,
        min: view.min,
        max: view.max,
    }
}

fn exponential_point(view: &ExpHistogramPointView<'_>) -> ExponentialHistogramDataPoint {
    let buckets = |view: BucketsView<'_>| Buckets {
        offset: view.offset,
        bucket_counts: view.counts().collect(),
    };
    ExponentialHistogramDataPoint {
        attributes: attributes(view.attributes()),
        start_time_unix_nano: view.start_unix_ns,
        time_unix_nano: view.unix_ns,
        count: view.count,
        sum: view.sum,
        scale: view.scale,
        zero_count: view.zero_count,
        positive: view.positive.map(buckets),
        negative: view.negative.map(buckets),
        flags: view.flags,
        exemplars: view.exemplars().map(|view| exemplar(&view)).collect(),
        min: view.min,
        max: view.max,
        zero_threshold: view.zero_threshold,
    }
}

fn summary_point(view: &SummaryPointView<'_>) -> SummaryDataPoint {
    let quantiles = view.quantiles().map(|view| ValueAtQuantile {
        quantile: view.quantile,
        value: view.value,
    });
    SummaryDataPoint {
        attributes: attributes(view.attributes()),
        start_time_unix_nano: view.start_unix_ns,
        time_unix_nano: view.unix_ns,
        count: view.count,
        sum: view.sum,
        quantile_values: quantiles.collect(),
        flags: view.flags,
    }
}

fn exemplar(view: &ExemplarView<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: attributes(view.filtered_attributes()),
        time_unix_nano: view.unix_ns,
        span_id: view.span_id.to_vec(),
        trace_id: view.trace_id.to_vec(),
        value: view.value.map(|value| match value {
            Number::Int(value) => ExemplarValue::AsInt(value),
            Number::Double(value) => ExemplarValue::AsDouble(value),
        }),
    }
}
