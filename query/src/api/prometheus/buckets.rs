//! A native histogram as JSON: count, sum, and its buckets that are not empty, each `[boundaries, lower, upper, count]` in ascending order.

use ::metrics::histogram::CUSTOM_SCHEMA;
use ::metrics::{Buckets, Histogram};

use super::out::Out;

/// Which of a bucket's bounds belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Boundaries {
    /// (lower, upper]
    OpenLeft = 0,
    /// [lower, upper)
    OpenRight = 1,
    /// [lower, upper]
    Closed = 3,
}

#[derive(Debug, PartialEq)]
struct Bucket {
    boundaries: Boundaries,
    lower: f64,
    upper: f64,
    count: f64,
}

impl Out {
    pub(super) fn histogram(&mut self, histogram: &Histogram) {
        self.raw("{\"count\":");
        self.float(histogram.count);
        self.raw(",\"sum\":");
        self.float(histogram.sum);
        let mut before = ",\"buckets\":[";
        for bucket in buckets(histogram) {
            self.put(format_args!("{before}[{}", bucket.boundaries as u8));
            for number in [bucket.lower, bucket.upper, bucket.count] {
                self.raw(",");
                self.float(number);
            }
            self.raw("]");
            before = ",";
        }
        self.raw(if before == "," { "]}" } else { "}" });
    }
}

/// Buckets with a count, ascending. Those next to the zero bucket end where it begins.
fn buckets(histogram: &Histogram) -> Vec<Bucket> {
    let zero = histogram.zero_threshold;
    let mut all = Vec::new();
    for (idx, count) in filled(&histogram.negative).into_iter().rev() {
        all.push(Bucket {
            boundaries: Boundaries::OpenRight,
            lower: -bound(histogram, idx),
            upper: -bound(histogram, idx.saturating_sub(1)).max(zero),
            count,
        });
    }
    if histogram.zero_count != 0.0 {
        all.push(Bucket {
            boundaries: Boundaries::Closed,
            lower: -zero,
            upper: zero,
            count: histogram.zero_count,
        });
    }
    for (idx, count) in filled(&histogram.positive) {
        let lower = bound(histogram, idx.saturating_sub(1));
        let (boundaries, lower) = match histogram.schema {
            CUSTOM_SCHEMA if idx == 0 => (Boundaries::Closed, lower),
            CUSTOM_SCHEMA => (Boundaries::OpenLeft, lower),
            _ => (Boundaries::OpenLeft, lower.max(zero)),
        };
        all.push(Bucket {
            boundaries,
            lower,
            upper: bound(histogram, idx),
            count,
        });
    }
    all
}

fn filled(buckets: &Buckets) -> Vec<(i32, f64)> {
    let places = (buckets.offset..=i32::MAX).zip(buckets.counts.iter().copied());
    places.filter(|(_, count)| *count != 0.0).collect()
}

/// The upper bound of bucket `idx`. Of exponential ones 2^(idx · 2^-schema): the last one ends at the largest number.
fn bound(histogram: &Histogram, idx: i32) -> f64 {
    if histogram.schema == CUSTOM_SCHEMA {
        return match usize::try_from(idx) {
            Err(_) => f64::NEG_INFINITY,
            Ok(idx) => histogram
                .custom_bounds
                .get(idx)
                .copied()
                .unwrap_or(f64::INFINITY),
        };
    }
    let power = f64::from(idx) * libm::exp2(-f64::from(histogram.schema));
    if power == 1_024.0 {
        return f64::MAX;
    }
    libm::exp2(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::prometheus::number::Float;

    fn json(histogram: &Histogram) -> String {
        let mut out = Out::new(1 << 20);
        out.histogram(histogram);
        String::from_utf8(out.done().expect("short")).expect("text")
    }

    fn of(schema: i32, offset: i32, counts: &[f64]) -> Histogram {
        Histogram {
            schema,
            count: counts.iter().sum::<f64>() + 0.0,
            positive: Buckets {
                offset,
                counts: counts.to_vec(),
            },
            ..Histogram::default()
        }
    }

    #[track_caller]
    fn check(histogram: &Histogram, expected: &str) {
        assert_eq!(json(histogram), expected);
    }

    #[test]
    fn buckets_are_written_with_their_bounds() {
        check(&of(0, 0, &[]), r#"{"count":"0","sum":"0"}"#);
        check(
            &of(0, 1, &[2.0, 0.0, 1.0]),
            r#"{"count":"3","sum":"0","buckets":[[0,"1","2","2"],[0,"4","8","1"]]}"#,
        );
        check(
            &of(1, 2, &[1.0]),
            r#"{"count":"1","sum":"0","buckets":[[0,"1.4142135623730951","2","1"]]}"#,
        );
        check(
            &of(-4, 64, &[1.0]),
            r#"{"count":"1","sum":"0","buckets":[[0,"1.157920892373162e+77","1.7976931348623157e+308","1"]]}"#
                .replace("1.157920892373162e+77", &Float(libm::exp2(1_008.0)).to_string())
                .as_str(),
        );
    }

    #[test]
    fn the_zero_bucket_lies_between_negative_and_positive_ones() {
        let histogram = Histogram {
            zero_threshold: 0.75,
            zero_count: 4.0,
            negative: Buckets {
                offset: 0,
                counts: vec![1.0, 2.0],
            },
            ..of(0, 0, &[3.0])
        };
        check(
            &histogram,
            r#"{"count":"3","sum":"0","buckets":[[1,"-2","-1","2"],[1,"-1","-0.75","1"],[3,"-0.75","0.75","4"],[0,"0.75","1","3"]]}"#,
        );
    }

    #[test]
    fn custom_bounds_are_listed() {
        let histogram = Histogram {
            custom_bounds: vec![1.0, 2.5],
            ..of(CUSTOM_SCHEMA, 0, &[1.0, 2.0, 3.0])
        };
        check(
            &histogram,
            r#"{"count":"6","sum":"0","buckets":[[3,"-Inf","1","1"],[0,"1","2.5","2"],[0,"2.5","+Inf","3"]]}"#,
        );
    }
}
