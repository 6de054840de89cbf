//! The records that carry what an epoch adds to the metrics: at least one for every partition of `points`, so that each learns how far the counts reach.

use bus::{Draft, Header, Kind, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use telemetry::derived::{DerivedRecord, SeriesDelta, TenantDelta};
use telemetry::{RecordTime, Tenant};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::shard::SealedEpoch;

/// Windows of histograms that one record holds at most: with 160 buckets of a few bytes each it stays below what a broker takes.
const WINDOWS_MAX: usize = 500;
/// Labels by which a series is routed, the first that it has: every series has one writer.
const ROUTING_LABELS: [&str; 2] = ["service_name", "client"];

/// A series that an epoch adds to.
type Added<'a> = (&'a Tenant, &'a SeriesDelta);

/// The records of an epoch, in order of partitions, then parts.
pub(crate) fn drafts(epoch: &SealedEpoch, n_partitions: u32) -> Vec<Draft> {
    let mut by_partition: Vec<Vec<Added<'_>>> = vec![Vec::new(); n_partitions as usize];
    for delta in &epoch.red.tenants {
        for series in &delta.series {
            let partition = partition_of(&delta.tenant, series, n_partitions);
            if let Some(added) = by_partition.get_mut(partition as usize) {
                added.push((&delta.tenant, series));
            }
        }
    }
    (0..)
        .map(Partition)
        .zip(&by_partition)
        .flat_map(|(partition, added)| records(epoch, added).map(move |record| (partition, record)))
        .map(|(partition, record)| draft(partition, &record))
        .collect()
}

/// xxh3-64 of the tenant's name, a zero byte, and the service.
fn partition_of(tenant: &Tenant, series: &SeriesDelta, n_partitions: u32) -> u32 {
    let label = |wanted: &&str| {
        let found = series.labels.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_bytes())
    };
    let service = ROUTING_LABELS.iter().find_map(label).unwrap_or_default();
    let key = [tenant.as_str().as_bytes(), b"\0", service].concat();
    u32::try_from(xxh3_64(&key) % u64::from(n_partitions.max(1))).expect("below a u32")
}

/// Cut into parts in the order of the series, so that everybody cuts alike.
fn records<'a>(
    epoch: &'a SealedEpoch,
    added: &'a [Added<'a>],
) -> impl Iterator<Item = DerivedRecord> + 'a {
    let parts = parts(added);
    let n_parts = parts.len();
    (0..).zip(parts).map(move |(part, added)| DerivedRecord {
        source_partition: epoch.partition.0,
        previous_end: epoch.previous_end.0,
        end: epoch.end_offset.0,
        part: u32::try_from(part).expect("fewer than 2^32 parts"),
        is_last: part + 1 == n_parts,
        complete_to: complete_to(epoch),
        tenants: tenants(added),
    })
}

/// At least one part, if need be an empty one.
fn parts<'a>(added: &'a [Added<'a>]) -> Vec<&'a [Added<'a>]> {
    let mut parts = Vec::new();
    let (mut rest, mut n_windows, mut end) = (added, 0, 0);
    for (_, series) in added {
        if n_windows >= WINDOWS_MAX {
            let (part, behind) = rest.split_at(end);
            parts.push(part);
            (rest, n_windows, end) = (behind, 0, 0);
        }
        n_windows += series.windows.len() + series.exemplars.len();
        end += 1;
    }
    parts.push(rest);
    parts
}

/// The series of a part, which are copied here and nowhere before.
fn tenants(added: &[Added<'_>]) -> Vec<TenantDelta> {
    let of_tenant = |added: &[Added<'_>]| {
        let (tenant, _) = added.first().expect("a chunk has a series");
        TenantDelta {
            tenant: (*tenant).clone(),
            series: added.iter().map(|(_, series)| (*series).clone()).collect(),
        }
    };
    let by_tenant = added.chunk_by(|(a, _), (b, _)| a == b);
    by_tenant.map(of_tenant).collect()
}

/// Record time before the record that closed the epoch.
fn complete_to(epoch: &SealedEpoch) -> RecordTime {
    epoch.entry.clock.last.unwrap_or_default()
}

fn draft(partition: Partition, record: &DerivedRecord) -> Draft {
    let payload = Bytes::from(record.encode());
    let n_series: usize = record.tenants.iter().map(|delta| delta.series.len()).sum();
    let header = Header {
        tenant: Tenant::default_tenant(), // it names the tenants itself
        kind: Kind::Derived,
        accepted_at: record.complete_to,
        n_items: u32::try_from(n_series).unwrap_or(u32::MAX),
        request_hash: RequestHash(xxh3_128(&payload)),
        part: 0,
        historic: false,
    };
    let to = TopicPartition {
        topic: Topic::Points,
        partition,
    };
    Draft {
        to,
        header,
        payload,
    }
}
