//! Whether OTLP protobuf without a name on it holds traces or metrics. Both begin alike, and most fields of a span and of a metric share their
//! numbers; the first entry tells: a span has times of 8 bytes where a metric has data. Pure, no recursion, no panic on any bytes.

use collector::Holds;

/// `ResourceSpans` or `ResourceMetrics` of a request, the scopes of each, and the spans or metrics of each of those.
const RESOURCES: u64 = 1;
const SCOPES: u64 = 2;
const ENTRIES: u64 = 2;

/// `Span.trace_id`, which is `Metric.name`.
const TRACE_ID: u64 = 1;
const TRACE_ID_BYTES: usize = 16;
/// `Span.start_time_unix_nano` and `Span.end_time_unix_nano`.
const TIMES: [u64; 2] = [7, 8];

/// Traces, unless the first entry is a metric: what is damaged is refused as traces are.
pub(super) fn holds(body: &[u8]) -> Holds {
    let resources = messages(body, RESOURCES);
    let scopes = resources.flat_map(|resource| messages(resource, SCOPES));
    let first = scopes.flat_map(|scope| messages(scope, ENTRIES)).next();
    match first {
        Some(entry) if !is_span(entry) => Holds::Metrics,
        _ => Holds::Traces,
    }
}

fn is_span(entry: &[u8]) -> bool {
    Fields(entry).any(|field| match field {
        Field::Fixed64(number) => TIMES.contains(&number),
        // a span without times has an id that is no text; a metric has a name there
        Field::Message(TRACE_ID, id) => id.len() == TRACE_ID_BYTES && !is_name(id),
        Field::Message(..) | Field::Other => false,
    })
}

fn is_name(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control))
}

/// The messages, or texts, in fields of a number.
fn messages(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    Fields(bytes).filter_map(move |field| match field {
        Field::Message(found, message) if found == number => Some(message),
        _ => None,
    })
}

enum Field<'a> {
    Message(u64, &'a [u8]),
    Fixed64(u64),
    Other,
}

/// What is left of a message. It ends where bytes are no fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for at in 0..10 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let key = self.varint()?;
        let number = key >> 3;
        match key & 7 {
            0 => self.varint().map(|_| Field::Other),
            1 => self.take(8).map(|_| Field::Fixed64(number)),
            2 => {
                let n_bytes = usize::try_from(self.varint()?).ok()?;
                self.take(n_bytes)
                    .map(|bytes| Field::Message(number, bytes))
            }
            5 => self.take(4).map(|_| Field::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        metric::Data,
    };
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn traces(span: Span) -> Vec<u8> {
        let scope_spans = vec![
            ScopeSpans::default(),
            ScopeSpans {
                spans: vec![span],
                ..Default::default()
            },
        ];
        let resource_spans = vec![
            ResourceSpans::default(),
            ResourceSpans {
                scope_spans,
                ..Default::default()
            },
        ];
        TracesData { resource_spans }.encode_to_vec()
    }

    fn metrics(metric: Metric) -> Vec<u8> {
        let scope_metrics = vec![ScopeMetrics {
            metrics: vec![metric],
            ..Default::default()
        }];
        let resource_metrics = vec![ResourceMetrics {
            scope_metrics,
            ..Default::default()
        }];
        MetricsData { resource_metrics }.encode_to_vec()
    }

    #[test]
    fn spans_and_metrics_are_told_apart() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "GET".to_owned(),
            ..Default::default()
        };
        assert_eq!(holds(&traces(span.clone())), Holds::Traces);
        let timed = Span {
            trace_id: b"0123456789abcdef".to_vec(),
            end_time_unix_nano: 1,
            ..span
        };
        assert_eq!(holds(&traces(timed)), Holds::Traces);
        let data_points = vec![NumberDataPoint {
            time_unix_nano: 5,
            ..Default::default()
        }];
        for data in [
            Some(Data::Gauge(Gauge {
                data_points: data_points.clone(),
            })),
            Some(Data::Sum(Sum {
                data_points,
                ..Default::default()
            })),
            None,
        ] {
            // a name as long as an id
            let metric = Metric {
                name: "system.cpu.times".to_owned(),
                description: "12345678".to_owned(),
                data,
                ..Default::default()
            };
            assert_eq!(holds(&metrics(metric)), Holds::Metrics);
        }
        assert_eq!(holds(b""), Holds::Traces);
        assert_eq!(holds(b"\x0a\x05x"), Holds::Traces);
    }

    proptest! {
        #[test]
        fn any_bytes_are_one_of_both(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = holds(&bytes);
        }
    }
}
