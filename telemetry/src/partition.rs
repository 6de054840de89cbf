//! Which partition of the log a trace, or a series, belongs to.

use xxhash_rust::xxh3::xxh3_64;

use crate::tenant::TENANT_BYTES_MAX;
use crate::{Tenant, TraceId};

/// Longest key: a tenant, a zero and a trace id, in bytes.
const KEY_BYTES_MAX: usize = TENANT_BYTES_MAX + 1 + size_of::<TraceId>();

/// Partition of a trace: XXH3-64 of the tenant's bytes, a zero byte and the id's bytes, modulo `n`. It never changes for a topic,
/// because spans of a trace that come later must find it. `n` of zero counts as one.
#[must_use]
pub fn partition_of(tenant: &Tenant, trace_id: TraceId, n: u32) -> u32 {
    partition_of_key(tenant, trace_id.0, n)
}

/// Partition of what has this hash: XXH3-64 of the tenant's bytes, a zero byte and the hash's bytes (little-endian), modulo `n`. `n` of zero counts
/// as one.
#[must_use]
pub fn partition_of_hash(tenant: &Tenant, hash: u64, n: u32) -> u32 {
    partition_of_key(tenant, hash.to_le_bytes(), n)
}

fn partition_of_key<const N: usize>(tenant: &Tenant, within: [u8; N], n: u32) -> u32 {
    const { assert!(N <= size_of::<TraceId>()) }
    let tenant = tenant.as_str().as_bytes();
    let mut key = [0; KEY_BYTES_MAX];
    if let Some((prefix, rest)) = key.split_at_mut_checked(tenant.len())
        && let Some(place) = rest.get_mut(1..=N)
    {
        prefix.copy_from_slice(tenant);
        place.copy_from_slice(&within);
    }
    let hash = xxh3_64(key.get(..tenant.len() + 1 + N).unwrap_or(&key));
    (hash % u64::from(n.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stays_in_its_partition_for_ever() {
        let tenant = Tenant::default_tenant();
        let key = b"default\0\x01\0\0\0\0\0\0\0";
        let partition = partition_of_hash(&tenant, 1, 1000);
        assert_eq!(u64::from(partition), xxh3_64(key) % 1000);
        assert_eq!(partition_of_hash(&tenant, 1, 0), 0);
    }

    #[test]
    fn a_trace_stays_in_its_partition_for_ever() {
        let id = TraceId(*b"0123456789abcdef");
        let of = |tenant: &str, n| partition_of(&tenant.parse().expect("a tenant"), id, n);
        let key = b"default\x000123456789abcdef";
        assert_eq!(u64::from(of("default", 1000)), xxh3_64(key) % 1000);
        assert_eq!(of("default", 1), 0);
        assert_eq!(of("default", 0), 0);
        let longest = "x".repeat(TENANT_BYTES_MAX);
        let key = [longest.as_bytes(), b"\0", &id.0].concat();
        assert_eq!(u64::from(of(&longest, 997)), xxh3_64(&key) % 997);
    }
}
