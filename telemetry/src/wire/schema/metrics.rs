//! The messages of OTLP metrics (opentelemetry-proto 1.x, metrics v1).

use super::{KEY_VALUE, Kind, Message, RESOURCE, Role, SCOPE, field, one_of, role};

pub(in super::super) static METRICS_DATA: Message =
    &[field("resourceMetrics", 1, Kind::Many(|| RESOURCE_METRICS))];

static RESOURCE_METRICS: Message = &[
    field("resource", 1, Kind::One(|| RESOURCE)),
    field("scopeMetrics", 2, Kind::Many(|| SCOPE_METRICS)),
    field("schemaUrl", 3, Kind::Text),
];

static SCOPE_METRICS: Message = &[
    field("scope", 1, Kind::One(|| SCOPE)),
    field("metrics", 2, Kind::Many(|| METRIC)),
    field("schemaUrl", 3, Kind::Text),
];

static METRIC: Message = &[
    field("name", 1, Kind::Text),
    field("description", 2, Kind::Text),
    field("unit", 3, Kind::Text),
    one_of("gauge", 5, Kind::One(|| GAUGE)),
    one_of("sum", 7, Kind::One(|| SUM)),
    one_of("histogram", 9, Kind::One(|| HISTOGRAM)),
    one_of(
        "exponentialHistogram",
        10,
        Kind::One(|| EXPONENTIAL_HISTOGRAM),
    ),
    one_of("summary", 11, Kind::One(|| SUMMARY)),
    role("metadata", 12, Kind::Many(|| KEY_VALUE), Role::Attributes),
];

static GAUGE: Message = &[field("dataPoints", 1, Kind::Many(|| NUMBER_DATA_POINT))];

static SUM: Message = &[
    field("dataPoints", 1, Kind::Many(|| NUMBER_DATA_POINT)),
    field("aggregationTemporality", 2, Kind::Enum),
    field("isMonotonic", 3, Kind::Bool),
];

static HISTOGRAM: Message = &[
    field("dataPoints", 1, Kind::Many(|| HISTOGRAM_DATA_POINT)),
    field("aggregationTemporality", 2, Kind::Enum),
];

static EXPONENTIAL_HISTOGRAM: Message = &[
    field(
        "dataPoints",
        1,
        Kind::Many(|| EXPONENTIAL_HISTOGRAM_DATA_POINT),
    ),
    field("aggregationTemporality", 2, Kind::Enum),
];

static SUMMARY: Message = &[field("dataPoints", 1, Kind::Many(|| SUMMARY_DATA_POINT))];

static NUMBER_DATA_POINT: Message = &[
    labels("attributes", 7),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    one_of("asDouble", 4, Kind::Double),
    one_of("asInt", 6, Kind::Sfixed64),
    exemplars(5),
    field("flags", 8, Kind::Uint32),
];

static HISTOGRAM_DATA_POINT: Message = &[
    labels("attributes", 9),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    field("bucketCounts", 6, Kind::Fixed64s),
    field("explicitBounds", 7, Kind::Doubles),
    exemplars(8),
    field("flags", 10, Kind::Uint32),
    field("min", 11, Kind::Double),
    field("max", 12, Kind::Double),
];

static EXPONENTIAL_HISTOGRAM_DATA_POINT: Message = &[
    labels("attributes", 1),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    field("scale", 6, Kind::Sint32),
    field("zeroCount", 7, Kind::Fixed64),
    field("positive", 8, Kind::One(|| BUCKETS)),
    field("negative", 9, Kind::One(|| BUCKETS)),
    field("flags", 10, Kind::Uint32),
    exemplars(11),
    field("min", 12, Kind::Double),
    field("max", 13, Kind::Double),
    field("zeroThreshold", 14, Kind::Double),
];

static BUCKETS: Message = &[
    field("offset", 1, Kind::Sint32),
    field("bucketCounts", 2, Kind::Uint64s),
];

static SUMMARY_DATA_POINT: Message = &[
    labels("attributes", 7),
    field("startTimeUnixNano", 2, Kind::Fixed64),
    field("timeUnixNano", 3, Kind::Fixed64),
    field("count", 4, Kind::Fixed64),
    field("sum", 5, Kind::Double),
    field("quantileValues", 6, Kind::Many(|| VALUE_AT_QUANTILE)),
    field("flags", 8, Kind::Uint32),
];

static VALUE_AT_QUANTILE: Message = &[
    field("quantile", 1, Kind::Double),
    field("value", 2, Kind::Double),
];

static EXEMPLAR: Message = &[
    labels("filteredAttributes", 7),
    field("timeUnixNano", 2, Kind::Fixed64),
    one_of("asDouble", 3, Kind::Double),
    one_of("asInt", 6, Kind::Sfixed64),
    field("spanId", 4, Kind::Id),
    field("traceId", 5, Kind::Id),
];

const fn labels(name: &'static str, number: u64) -> super::Field {
    role(name, number, Kind::Many(|| KEY_VALUE), Role::Labels)
}

const fn exemplars(number: u64) -> super::Field {
    role(
        "exemplars",
        number,
        Kind::Many(|| EXEMPLAR),
        Role::Exemplars,
    )
}
