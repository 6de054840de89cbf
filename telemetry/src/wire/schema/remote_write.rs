//! The messages of Prometheus remote write 1.0 (`prometheus.WriteRequest`). Nobody writes them as JSON: what has one wire type has one kind here.

use super::{Kind, Message, Role, field, role};

pub(in super::super) static WRITE_REQUEST: Message = &[
    field("timeseries", 1, Kind::Many(|| TIME_SERIES)),
    field("metadata", 3, Kind::Many(|| METRIC_METADATA)),
];

static TIME_SERIES: Message = &[
    role("labels", 1, Kind::Many(|| LABEL), Role::SeriesLabels),
    field("samples", 2, Kind::Many(|| SAMPLE)),
    field("exemplars", 3, Kind::Many(|| EXEMPLAR)),
    field("histograms", 4, Kind::Many(|| HISTOGRAM)),
];

static LABEL: Message = &[field("name", 1, Kind::Text), field("value", 2, Kind::Text)];

static SAMPLE: Message = &[
    field("value", 1, Kind::Double),
    field("timestamp", 2, Kind::Int64),
];

static EXEMPLAR: Message = &[
    field("labels", 1, Kind::Many(|| LABEL)),
    field("value", 2, Kind::Double),
    field("timestamp", 3, Kind::Int64),
];

/// Of `count` and `zero_count` the last form counts, which reading in order sees to.
static HISTOGRAM: Message = &[
    field("countInt", 1, Kind::Int64),
    field("countFloat", 2, Kind::Double),
    field("sum", 3, Kind::Double),
    field("schema", 4, Kind::Sint32),
    field("zeroThreshold", 5, Kind::Double),
    field("zeroCountInt", 6, Kind::Int64),
    field("zeroCountFloat", 7, Kind::Double),
    field("negativeSpans", 8, Kind::Many(|| BUCKET_SPAN)),
    field("negativeDeltas", 9, Kind::Uint64s),
    field("negativeCounts", 10, Kind::Doubles),
    field("positiveSpans", 11, Kind::Many(|| BUCKET_SPAN)),
    field("positiveDeltas", 12, Kind::Uint64s),
    field("positiveCounts", 13, Kind::Doubles),
    field("resetHint", 14, Kind::Enum),
    field("timestamp", 15, Kind::Int64),
    field("customValues", 16, Kind::Doubles),
];

static BUCKET_SPAN: Message = &[
    field("offset", 1, Kind::Sint32),
    field("length", 2, Kind::Uint32),
];

static METRIC_METADATA: Message = &[
    field("type", 1, Kind::Enum),
    field("metricFamilyName", 2, Kind::Text),
    field("help", 4, Kind::Text),
    field("unit", 5, Kind::Text),
];
