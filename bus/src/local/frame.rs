//! A record in a segment: the head that stands before header and payload (docs/formats/log-segment.md).

use telemetry::RecordTime;

use crate::fields::Fields;
use crate::{Partition, Topic, TopicPartition};

/// Bytes of a head.
pub(crate) const HEAD_BYTES: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGN: u64 = 8;
/// Longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// Longest header, in bytes.
pub(crate) const HEADER_BYTES_MAX: usize = 512;

/// What stands before a record's header and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The record's own address.
    pub(crate) address: u64,
    pub(crate) appended_at: RecordTime,
    pub(crate) of: TopicPartition,
    pub(crate) header_bytes: u16,
    pub(crate) payload_bytes: u32,
    /// CRC32C of header and payload.
    pub(crate) body_crc: u32,
}

/// CRC32C of a header and a payload, as one.
pub(crate) fn body_crc(header: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header), payload)
}

/// What a record takes in a segment, padding included.
pub(crate) fn frame_bytes(header_bytes: usize, payload_bytes: usize) -> u64 {
    (HEAD_BYTES as u64 + header_bytes as u64 + payload_bytes as u64).next_multiple_of(ALIGN)
}

impl Head {
    pub(crate) fn frame_bytes(&self) -> u64 {
        frame_bytes(usize::from(self.header_bytes), self.payload_bytes as usize)
    }

    pub(crate) fn body_bytes(&self) -> usize {
        usize::from(self.header_bytes) + self.payload_bytes as usize
    }

    pub(crate) fn encode(&self, salt: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; 4]);
        out.extend(self.body_crc.to_le_bytes());
        out.extend(self.address.to_le_bytes());
        out.extend(self.appended_at.unix_ms.to_le_bytes());
        out.extend(self.payload_bytes.to_le_bytes());
        out.extend(self.of.partition.0.to_le_bytes());
        out.extend(self.header_bytes.to_le_bytes());
        out.push(topic_number(self.of.topic));
        out.extend([0; 5]);
        let (_, written) = out.split_at_mut(start);
        let (crc, checked) = written.split_at_mut(4);
        crc.copy_from_slice(&crc32c::crc32c_append(salt, checked).to_le_bytes());
    }

    /// Reads the head at `address` from the front of `bytes`; nothing if no valid one stands there.
    pub(crate) fn decode(bytes: &[u8], address: u64, salt: u32) -> Option<Self> {
        let (bytes, _) = bytes.split_at_checked(HEAD_BYTES)?;
        let mut fields = Fields(bytes);
        let crc = fields.u32()?;
        let checked = fields.0;
        let body_crc = fields.u32()?;
        // The cheap test first: it fails at almost every place that is no head.
        if fields.u64()? != address || crc32c::crc32c_append(salt, checked) != crc {
            return None;
        }
        let appended_at = RecordTime {
            unix_ms: fields.i64()?,
        };
        let payload_bytes = fields.u32()?;
        let partition = Partition(fields.u32()?);
        let header_bytes = fields.u16()?;
        let topic = topic_of(fields.u8()?)?;
        let fits = payload_bytes as usize <= PAYLOAD_BYTES_MAX
            && usize::from(header_bytes) <= HEADER_BYTES_MAX;
        fits.then_some(Self {
            address,
            appended_at,
            of: TopicPartition { topic, partition },
            header_bytes,
            payload_bytes,
            body_crc,
        })
    }
}

/// Number of a topic in every file of the log.
pub(crate) fn topic_number(topic: Topic) -> u8 {
    match topic {
        Topic::Spans => 1,
        Topic::DeadLetters => 2,
        Topic::Points => 3,
    }
}

pub(crate) fn topic_of(number: u8) -> Option<Topic> {
    match number {
        1 => Some(Topic::Spans),
        2 => Some(Topic::DeadLetters),
        3 => Some(Topic::Points),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn heads()(
            address: u64, unix_ms: i64, body_crc: u32, header_bytes in 0..=HEADER_BYTES_MAX as u16,
            payload_bytes in 0..=PAYLOAD_BYTES_MAX as u32, partition: u32,
            topic in prop::sample::select(Topic::ALL.to_vec()),
        ) -> Head {
            let of = TopicPartition { topic, partition: Partition(partition) };
            Head { address, appended_at: RecordTime { unix_ms }, of, header_bytes, payload_bytes, body_crc }
        }
    }

    proptest! {
        #[test]
        fn a_head_decodes_only_at_its_own_address_in_its_own_log(head in heads(), salt: u32, other in 1u32..) {
            let mut bytes = Vec::new();
            head.encode(salt, &mut bytes);
            prop_assert_eq!(bytes.len(), HEAD_BYTES);
            prop_assert_eq!(Head::decode(&bytes, head.address, salt), Some(head));
            prop_assert_eq!(Head::decode(&bytes, head.address ^ u64::from(other), salt), None);
            prop_assert_eq!(Head::decode(&bytes, head.address, salt ^ other), None);
        }

        #[test]
        fn a_head_with_any_bit_flipped_is_none(head in heads(), salt: u32, bit in 0..HEAD_BYTES * 8) {
            let mut bytes = Vec::new();
            head.encode(salt, &mut bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Head::decode(&bytes, head.address, salt), None);
        }
    }
}
