//! The records that carry what an epoch adds to the metrics: at least one for every partition of `points`, so that each learns how far the counts reach.

use bus::{Draft, Header, Kind, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use telemetry::derived::{DerivedRecord, Exemplar, SeriesDelta, TenantDelta};
use telemetry::{RecordTime, Tenant};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::red::ExemplarsOfEpoch;
use crate::shard::SealedEpoch;

/// Windows of histograms that one record holds at most: with 160 buckets of a few bytes each it stays below what a broker takes.
const WINDOWS_MAX: usize = 500;
/// Labels by which a series is routed, the first that it has: every series has one writer.
const ROUTING_LABELS: [&str; 2] = ["service_name", "client"];

/// A series that an epoch adds to, and the exemplars that it has beside its own.
#[derive(Debug, Clone, Copy)]
struct Added<'a> {
    tenant: &'a Tenant,
    series: &'a SeriesDelta,
    exemplars: &'a [Exemplar],
}

/// The records of an epoch, in order of partitions, then parts.
pub(crate) fn drafts(
    epoch: &SealedEpoch,
    exemplars: &ExemplarsOfEpoch,
    n_partitions: u32,
) -> Vec<Draft> {
    let mut by_partition: Vec<Vec<Added<'_>>> = vec![Vec::new(); n_partitions as usize];
    for added in added(epoch, exemplars) {
        let partition = partition_of(added.tenant, added.series, n_partitions);
        if let Some(of_partition) = by_partition.get_mut(partition as usize) {
            of_partition.push(added);
        }
    }
    (0..)
        .map(Partition)
        .zip(&by_partition)
        .flat_map(|(partition, added)| records(epoch, added).map(move |record| (partition, record)))
        .map(|(partition, record)| draft(partition, &record))
        .collect()
}

/// What an epoch adds, in order of tenants, names and labels.
fn added<'a>(epoch: &'a SealedEpoch, exemplars: &'a ExemplarsOfEpoch) -> Vec<Added<'a>> {
    let mut all = Vec::new();
    for (place, delta) in epoch.red.tenants.iter().enumerate() {
        let of_tenant = delta.series.iter().enumerate();
        all.extend(of_tenant.map(|(number, series)| Added {
            tenant: &delta.tenant,
            series,
            exemplars: exemplars.of(place, number),
        }));
    }
    let n_counted = all.len();
    all.extend(exemplars.alone().map(|(tenant, series)| Added {
        tenant,
        series,
        exemplars: &[],
    }));
    if all.len() > n_counted {
        all.sort_by(|a, b| a.order().cmp(&b.order()));
    }
    all
}

impl<'a> Added<'a> {
    fn order(&self) -> (&'a Tenant, &'a str, &'a [(String, String)]) {
        (self.tenant, &self.series.name, &self.series.labels)
    }

    fn n_entries(&self) -> usize {
        self.series.windows.len() + self.series.exemplars.len() + self.exemplars.len()
    }

    /// A copy for a record, the only one.
    fn series(&self) -> SeriesDelta {
        let mut series = self.series.clone();
        series.exemplars.extend_from_slice(self.exemplars);
        series
    }
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
    for one in added {
        if n_windows >= WINDOWS_MAX {
            let (part, behind) = rest.split_at(end);
            parts.push(part);
            (rest, n_windows, end) = (behind, 0, 0);
        }
        n_windows += one.n_entries();
        end += 1;
    }
    parts.push(rest);
    parts
}

fn tenants(added: &[Added<'_>]) -> Vec<TenantDelta> {
    let of_tenant = |added: &[Added<'_>]| TenantDelta {
        tenant: added.first().expect("a chunk has a series").tenant.clone(),
        series: added.iter().map(Added::series).collect(),
    };
    let by_tenant = added.chunk_by(|a, b| a.tenant == b.tenant);
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

#[cfg(test)]
mod tests;
