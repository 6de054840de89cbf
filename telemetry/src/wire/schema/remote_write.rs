//! The messages of Prometheus remote write 1.0 (`prometheus.WriteRequest`). Nobody writes them as JSON: what has one wire type has one kind here.

use super::{Field, Kind, Message, Role, field, role};

pub(in super::super) static WRITE_REQUEST: Message = &[
    field("timeseries", 1, Kind::Many(|| TIME_SERIES)),
    field("metadata", 3, Kind::Many(|| METRIC_METADATA)),
];

static TIME_SERIES: Message = &[
    role("labels", 1, Kind::Many(|| LABEL), Role::SeriesLabels),
    Field {
        is_usual: Some(is_usual_sample),
        ..field("samples", 2, Kind::Many(|| SAMPLE))
    },
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

/// A value unless it is 0, then a time, as every sender writes it.
fn is_usual_sample(body: &[u8]) -> bool {
    let time = match body {
        [0x09, _, _, _, _, _, _, _, _, time @ ..] => time,
        time => time,
    };
    match time {
        [0x10, more @ .., last] => {
            *last < 0x80 && more.len() <= 8 && more.iter().all(|byte| *byte >= 0x80)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_sample_is_a_value_and_a_time_and_no_more() {
        const VALUE: &[u8] = b"\x09\0\0\0\0\0\0\xf0\x3f";
        for (value, time, is_usual) in [
            (VALUE, &b"\x10\x80\xe0\xb4\xd3\xbc\x31"[..], true),
            (b"", b"\x10\x01", true),
            (VALUE, b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f", true),
            (
                VALUE,
                b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                false,
            ), // negative: the long way
            (VALUE, b"\x10\x80", false),
            (VALUE, b"\x10\x01\x01", false),
            (VALUE, b"\x10", false),
            (VALUE, b"\x11\x01", false),
            (VALUE, b"", false),
            (b"", b"", false),
            (b"\x09\0", b"\x10\x01", false),
        ] {
            let body = [value, time].concat();
            assert_eq!(is_usual_sample(&body), is_usual, "{body:x?}");
        }
    }
}
