//! What tells a resource from others, as one number.

use xxhash_rust::xxh3::Xxh3Default;

use super::super::value::Attributes;
use crate::semconv::IDENTITY;

/// The attributes of [`IDENTITY`] that a resource has, whatever their order. Series take their labels of the resource from these alone, so that all
/// points of a series have one identity and one partition.
pub(super) fn identity(attributes: Attributes<'_>) -> u64 {
    let known = attributes.filter(|(key, _)| IDENTITY.contains(key));
    known.fold(0, |sum, (key, value)| {
        let mut hash = Xxh3Default::new();
        hash.update(key.as_bytes());
        hash.update(b"\0");
        hash.update(value.text().as_bytes());
        sum.wrapping_add(hash.digest())
    })
}
