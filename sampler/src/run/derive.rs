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

/// The records of an epoch, in order of partitions, then parts.
pub(crate) fn drafts(epoch: &SealedEpoch, n_partitions: u32) -> Vec<Draft> {
    let mut by_partition: Vec<Vec<TenantDelta>> = vec![Vec::new(); n_partitions as usize];
    for delta in &epoch.red.tenants {
        for series in &delta.series {
            let partition = partition_of(&delta.tenant, series, n_partitions);
            if let Some(tenants) = by_partition.get_mut(partition as usize) {
                push(tenants, &delta.tenant, series);
            }
        }
    }
    (0..)
        .zip(by_partition)
        .flat_map(|(partition, tenants)| {
            records(epoch, tenants).map(move |record| (partition, record))
        })
        .map(|(partition, record)| draft(Partition(partition), &record))
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

fn push(tenants: &mut Vec<TenantDelta>, tenant: &Tenant, series: &SeriesDelta) {
    if tenants.last().is_none_or(|last| last.tenant != *tenant) {
        tenants.push(TenantDelta {
            tenant: tenant.clone(),
            series: Vec::new(),
        });
    }
    let last = tenants.last_mut().expect("just pushed");
    last.series.push(series.clone());
}

/// Cut into parts in the order of the series, so that everybody cuts alike.
fn records(epoch: &SealedEpoch, tenants: Vec<TenantDelta>) -> impl Iterator<Item = DerivedRecord> {
    let mut parts: Vec<Vec<TenantDelta>> = vec![Vec::new()];
    let mut n_windows = 0;
    for delta in tenants {
        for series in &delta.series {
            if n_windows >= WINDOWS_MAX {
                parts.push(Vec::new());
                n_windows = 0;
            }
            n_windows += series.windows.len() + series.exemplars.len();
            push(
                parts.last_mut().expect("there is one"),
                &delta.tenant,
                series,
            );
        }
    }
    let n_parts = parts.len();
    let (source_partition, previous_end) = (epoch.partition.0, epoch.previous_end.0);
    let (end, complete_to) = (epoch.end_offset.0, complete_to(epoch));
    parts
        .into_iter()
        .enumerate()
        .map(move |(part, tenants)| DerivedRecord {
            source_partition,
            previous_end,
            end,
            part: u32::try_from(part).expect("fewer than 2^32 parts"),
            is_last: part + 1 == n_parts,
            complete_to,
            tenants,
        })
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
