//! Field keys of the OTLP messages that carry traces (opentelemetry-proto 1.x: common, resource and trace v1), and which numbers each message has.

use super::proto::{delimited_key, fixed32_key, fixed64_key, varint_key};

/// Bits of field numbers, for [`super::proto::Reader::skip_unknown`].
const fn numbers<const N: usize>(fields: [u64; N]) -> u64 {
    let mut bits = 0;
    let mut i = 0;
    while i < N {
        bits |= 1 << fields[i];
        i += 1;
    }
    bits
}

pub(crate) mod traces_data {
    use super::*;
    pub(crate) const RESOURCE_SPANS: u64 = delimited_key(1);
    pub(crate) const KNOWN: u64 = numbers([1]);
}

pub(crate) mod resource_spans {
    use super::*;
    pub(crate) const RESOURCE: u64 = delimited_key(1);
    pub(crate) const SCOPE_SPANS: u64 = delimited_key(2);
    pub(crate) const SCHEMA_URL: u64 = delimited_key(3);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3]);
}

pub(crate) mod resource {
    use super::*;
    pub(crate) const ATTRIBUTES: u64 = delimited_key(1);
    pub(crate) const DROPPED_ATTRIBUTES_COUNT: u64 = varint_key(2);
    pub(crate) const ENTITY_REFS: u64 = delimited_key(3);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3]);
}

pub(crate) mod entity_ref {
    use super::*;
    pub(crate) const SCHEMA_URL: u64 = delimited_key(1);
    pub(crate) const TYPE: u64 = delimited_key(2);
    pub(crate) const ID_KEYS: u64 = delimited_key(3);
    pub(crate) const DESCRIPTION_KEYS: u64 = delimited_key(4);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3, 4]);
}

pub(crate) mod scope_spans {
    use super::*;
    pub(crate) const SCOPE: u64 = delimited_key(1);
    pub(crate) const SPANS: u64 = delimited_key(2);
    pub(crate) const SCHEMA_URL: u64 = delimited_key(3);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3]);
}

pub(crate) mod scope {
    use super::*;
    pub(crate) const NAME: u64 = delimited_key(1);
    pub(crate) const VERSION: u64 = delimited_key(2);
    pub(crate) const ATTRIBUTES: u64 = delimited_key(3);
    pub(crate) const DROPPED_ATTRIBUTES_COUNT: u64 = varint_key(4);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3, 4]);
}

pub(crate) mod span {
    use super::*;
    pub(crate) const TRACE_ID: u64 = delimited_key(1);
    pub(crate) const SPAN_ID: u64 = delimited_key(2);
    pub(crate) const TRACE_STATE: u64 = delimited_key(3);
    pub(crate) const PARENT_SPAN_ID: u64 = delimited_key(4);
    pub(crate) const NAME: u64 = delimited_key(5);
    pub(crate) const KIND: u64 = varint_key(6);
    pub(crate) const START_TIME_UNIX_NANO: u64 = fixed64_key(7);
    pub(crate) const END_TIME_UNIX_NANO: u64 = fixed64_key(8);
    pub(crate) const ATTRIBUTES: u64 = delimited_key(9);
    pub(crate) const DROPPED_ATTRIBUTES_COUNT: u64 = varint_key(10);
    pub(crate) const EVENTS: u64 = delimited_key(11);
    pub(crate) const DROPPED_EVENTS_COUNT: u64 = varint_key(12);
    pub(crate) const LINKS: u64 = delimited_key(13);
    pub(crate) const DROPPED_LINKS_COUNT: u64 = varint_key(14);
    pub(crate) const STATUS: u64 = delimited_key(15);
    pub(crate) const FLAGS: u64 = fixed32_key(16);
    /// 1 to 16.
    pub(crate) const KNOWN: u64 = 0x1_fffe;
}

pub(crate) mod status {
    use super::*;
    pub(crate) const MESSAGE: u64 = delimited_key(2);
    pub(crate) const CODE: u64 = varint_key(3);
    pub(crate) const KNOWN: u64 = numbers([2, 3]);
}

pub(crate) mod event {
    use super::*;
    pub(crate) const TIME_UNIX_NANO: u64 = fixed64_key(1);
    pub(crate) const NAME: u64 = delimited_key(2);
    pub(crate) const ATTRIBUTES: u64 = delimited_key(3);
    pub(crate) const DROPPED_ATTRIBUTES_COUNT: u64 = varint_key(4);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3, 4]);
}

pub(crate) mod link {
    use super::*;
    pub(crate) const TRACE_ID: u64 = delimited_key(1);
    pub(crate) const SPAN_ID: u64 = delimited_key(2);
    pub(crate) const TRACE_STATE: u64 = delimited_key(3);
    pub(crate) const ATTRIBUTES: u64 = delimited_key(4);
    pub(crate) const DROPPED_ATTRIBUTES_COUNT: u64 = varint_key(5);
    pub(crate) const FLAGS: u64 = fixed32_key(6);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3, 4, 5, 6]);
}

pub(crate) mod key_value {
    use super::*;
    pub(crate) const KEY: u64 = delimited_key(1);
    pub(crate) const VALUE: u64 = delimited_key(2);
    /// Index into a string table, which only profiles have; kept as it comes, never read.
    pub(crate) const KEY_STRINDEX: u64 = varint_key(3);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3]);
}

pub(crate) mod any_value {
    use super::*;
    pub(crate) const STRING: u64 = delimited_key(1);
    pub(crate) const BOOL: u64 = varint_key(2);
    pub(crate) const INT: u64 = varint_key(3);
    pub(crate) const DOUBLE: u64 = fixed64_key(4);
    pub(crate) const ARRAY: u64 = delimited_key(5);
    pub(crate) const KVLIST: u64 = delimited_key(6);
    pub(crate) const BYTES: u64 = delimited_key(7);
    /// As [`super::key_value::KEY_STRINDEX`].
    pub(crate) const STRING_STRINDEX: u64 = varint_key(8);
    pub(crate) const KNOWN: u64 = numbers([1, 2, 3, 4, 5, 6, 7, 8]);
}

/// Of `ArrayValue` and `KeyValueList`.
pub(crate) mod list {
    use super::*;
    pub(crate) const VALUES: u64 = delimited_key(1);
    pub(crate) const KNOWN: u64 = numbers([1]);
}
