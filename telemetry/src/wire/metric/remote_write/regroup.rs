//! Series of a request by partition: ranges copied into a `WriteRequest` each.

use super::super::super::proto::{delimited_len, put_delimited};
use super::{Item, WriteView};

/// Regroups requests by partition, one at a time. Its vectors are used again.
#[derive(Debug, Default)]
pub struct WriteRegroup {
    /// Partition, in the high half, and index of each series and metadata.
    order: Vec<u64>,
    out: Vec<u8>,
}

impl WriteRegroup {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `emit` each partition's series as a `WriteRequest` with the number of their samples, partitions ascending, in parts of at most
    /// `part_bytes_max` bytes; a series that alone is larger is a part of its own. Equal series go to one partition and keep their order.
    pub fn regroup(
        &mut self,
        view: &WriteView<'_>,
        partition_of: impl Fn(u64) -> u32,
        part_bytes_max: usize,
        mut emit: impl FnMut(u32, u32, &[u8]),
    ) {
        self.order.clear();
        let items = view.items.iter().zip(0_u64..);
        let place = |(item, idx): (&Item, u64)| u64::from(partition_of(item.identity)) << 32 | idx;
        self.order.extend(items.map(place));
        self.order.sort_unstable();
        self.out.clear();
        let (mut last, mut n_points) = (0, 0);
        for place in &self.order {
            let partition = (place >> 32) as u32;
            let Some(item) = view.items.get(*place as u32 as usize) else {
                continue;
            };
            let len = delimited_len(item.extent.len() as usize);
            if partition != last || self.out.len() + len > part_bytes_max {
                if !self.out.is_empty() {
                    emit(last, n_points, &self.out);
                }
                self.out.clear();
                (last, n_points) = (partition, 0);
            }
            put_delimited(&mut self.out, item.field, item.extent.of(view.bytes));
            n_points += item.n_points;
        }
        if !self.out.is_empty() {
            emit(last, n_points, &self.out);
        }
    }
}
