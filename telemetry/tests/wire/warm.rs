//! A walker that has seen labels before against one that has not: what was looked at once is judged, refused and routed alike.

use prost::Message;
use telemetry::wire::{
    MetricLimits, MetricRegroup, MetricsWalker, RejectedPoints, WalkError, WriteRegroup,
    WriteWalker,
};

use crate::oracle::generate::{Seed, mutate};
use crate::oracle::metrics::metrics;
use crate::oracle::remote_write::write_request;

/// Requests of which each comes again and again, whole and damaged.
const N_REQUESTS: u64 = 40;
const N_ROUNDS: u64 = 3_000;
const N_PARTITIONS: u64 = 7;
const PART_BYTES_MAX: usize = 900;

/// All that becomes of a request.
type Became = Result<(Vec<(u32, u32, Vec<u8>)>, RejectedPoints), WalkError>;

fn written(walker: &mut WriteWalker, bytes: &[u8]) -> Became {
    let view = walker.walk(bytes, &MetricLimits::default())?;
    let mut parts = Vec::new();
    WriteRegroup::new().regroup(
        &view,
        |identity| (identity % N_PARTITIONS) as u32,
        PART_BYTES_MAX,
        |partition, n, part| parts.push((partition, n, part.to_vec())),
    );
    Ok((parts, view.rejected().clone()))
}

fn measured(walker: &mut MetricsWalker, bytes: &[u8]) -> Became {
    let view = walker.walk(bytes, &MetricLimits::default())?;
    let mut parts = Vec::new();
    MetricRegroup::new().regroup(
        &view,
        |identity| (identity % N_PARTITIONS) as u32,
        PART_BYTES_MAX,
        |partition, n, part| parts.push((partition, n, part.to_vec())),
    );
    Ok((parts, view.rejected().clone()))
}

#[test]
fn series_that_were_seen_before_are_judged_alike() {
    let mut warm = WriteWalker::new();
    for number in 0..N_ROUNDS {
        let whole = write_request(&mut Seed(number % N_REQUESTS)).encode_to_vec();
        let mut damaged = whole.clone();
        mutate(&mut Seed(number), &mut damaged);
        for bytes in [damaged, whole] {
            let fresh = written(&mut WriteWalker::new(), &bytes);
            assert_eq!(written(&mut warm, &bytes), fresh, "{number}");
        }
    }
}

#[test]
fn points_whose_attributes_were_seen_before_are_judged_alike() {
    let mut warm = MetricsWalker::new();
    for number in 0..N_ROUNDS {
        let whole = metrics(&mut Seed(number % N_REQUESTS)).encode_to_vec();
        let mut damaged = whole.clone();
        mutate(&mut Seed(number), &mut damaged);
        for bytes in [damaged, whole] {
            let fresh = measured(&mut MetricsWalker::new(), &bytes);
            assert_eq!(measured(&mut warm, &bytes), fresh, "{number}");
        }
    }
}

#[test]
fn what_was_read_under_one_limit_is_looked_at_anew_under_another() {
    let request = write_request(&mut Seed(3)).encode_to_vec();
    let strict = MetricLimits {
        value_bytes_max: 0,
        ..MetricLimits::default()
    };
    let mut walker = WriteWalker::new();
    let told = |walker: &mut WriteWalker, limits: &MetricLimits| {
        let view = walker.walk(&request, limits).expect("valid");
        (view.n_points(), view.rejected().n_points())
    };
    let lenient = told(&mut walker, &MetricLimits::default());
    assert!(walker.read(&request).is_ok(), "judged by nobody");
    assert_eq!(told(&mut walker, &strict).0, 0);
    assert!(walker.read(&request).is_ok());
    assert_eq!(told(&mut walker, &MetricLimits::default()), lenient);
}
