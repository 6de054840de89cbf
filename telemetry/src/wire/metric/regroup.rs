//! The points of a request by partition: whole resources are copied as they are; what is too large for a part, or had points rejected, is put together
//! anew from its accepted points.

use std::ops::Range;

use super::super::proto::{delimited_len, put_delimited, put_message};
use super::entry::{Entries, Head, MetricEntry, PointEntry, ResourceEntry};
use super::view::DATA;
use super::walk::{MetricsView, bytes_without, put_without};

/// Most bytes of the key and length around a message.
const FRAME_BYTES_MAX: usize = 6;
/// Field number of data points in every kind of data.
const DATA_POINTS: u64 = 1;

/// Regroups requests by partition, one at a time. Its vectors are used again.
#[derive(Debug, Default)]
pub struct MetricRegroup {
    /// Partition and index of each resource that has points.
    order: Vec<(u32, u32)>,
    part: Part,
}

/// One part on its way out.
#[derive(Debug, Default)]
struct Part {
    out: Vec<u8>,
    n_points: u32,
}

impl Part {
    fn flush(&mut self, partition: u32, emit: &mut impl FnMut(u32, u32, &[u8])) {
        if self.n_points > 0 {
            emit(partition, self.n_points, &self.out);
        }
        self.out.clear();
        self.n_points = 0;
    }
}

impl MetricRegroup {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `emit` each partition's points as valid `MetricsData` with their number, partitions ascending, in parts of at most `part_bytes_max` bytes;
    /// a point that alone is larger is a part of its own. All points of a resource go where `partition_of` sends its identity; within a partition
    /// they keep their order.
    pub fn regroup(
        &mut self,
        view: &MetricsView<'_>,
        partition_of: impl Fn(u64) -> u32,
        part_bytes_max: usize,
        mut emit: impl FnMut(u32, u32, &[u8]),
    ) {
        self.order.clear();
        let resources = view.entries.resources.iter().zip(0..);
        let with_points = resources.filter(|(entry, _)| entry.points_start < entry.points_end);
        self.order
            .extend(with_points.map(|(entry, idx)| (partition_of(entry.identity), idx)));
        self.order.sort_unstable();
        let mut last = 0;
        for &(partition, idx) in &self.order {
            if partition != last {
                self.part.flush(last, &mut emit);
                last = partition;
            }
            let writer = Writer {
                bytes: view.bytes,
                entries: view.entries,
                resource: view.entries.resource(idx),
                partition,
                part_bytes_max,
            };
            writer.put(&mut self.part, &mut emit);
        }
        self.part.flush(last, &mut emit);
    }
}

/// Writes one resource into parts.
struct Writer<'a> {
    bytes: &'a [u8],
    entries: &'a Entries,
    resource: ResourceEntry,
    partition: u32,
    part_bytes_max: usize,
}

impl Writer<'_> {
    fn put(&self, part: &mut Part, emit: &mut impl FnMut(u32, u32, &[u8])) {
        let n_bytes = delimited_len(self.resource.extent.len() as usize);
        if !self.resource.is_whole || n_bytes > self.part_bytes_max {
            return self.split(part, emit);
        }
        if part.out.len() + n_bytes > self.part_bytes_max {
            part.flush(self.partition, emit);
        }
        put_delimited(&mut part.out, 1, self.resource.extent.of(self.bytes));
        part.n_points += self.resource.points_end - self.resource.points_start;
    }

    /// Writes as many points into each part as fit, and at least one.
    fn split(&self, part: &mut Part, emit: &mut impl FnMut(u32, u32, &[u8])) {
        let range = self.resource.points_start as usize..self.resource.points_end as usize;
        let points = self.entries.points.get(range).unwrap_or_default();
        let mut pending: Range<usize> = 0..0;
        let mut n_bytes = part.out.len();
        for (idx, point) in points.iter().enumerate() {
            let before = pending.clone().last().and_then(|idx| points.get(idx));
            let mut growth = self.growth(before, point);
            let is_full = n_bytes + growth > self.part_bytes_max;
            if is_full && (!pending.is_empty() || part.n_points > 0) {
                self.write(points.get(pending).unwrap_or_default(), part);
                part.flush(self.partition, emit);
                (pending, n_bytes) = (idx..idx, 0);
                growth = self.growth(None, point);
            }
            pending.end = idx + 1;
            n_bytes += growth;
        }
        self.write(points.get(pending).unwrap_or_default(), part);
    }

    /// Bytes that a point adds at most to a part that ends with the point `before` of the same resource.
    fn growth(&self, before: Option<&PointEntry>, point: &PointEntry) -> usize {
        let mut n_bytes = delimited_len(point.extent.len() as usize);
        let is_metric = before.is_some_and(|before| before.metric_idx == point.metric_idx);
        if !is_metric {
            let metric = self.entries.metric(point.metric_idx);
            n_bytes += bytes_without(self.bytes, metric.extent, &DATA)
                + bytes_without(self.bytes, metric.data, &[DATA_POINTS])
                + 2 * FRAME_BYTES_MAX;
        }
        let is_scope = before.is_some_and(|before| before.scope_idx == point.scope_idx);
        if !is_scope {
            n_bytes += head_len(self.entries.scope(point.scope_idx)) + FRAME_BYTES_MAX;
        }
        if before.is_none() {
            n_bytes += head_len(self.resource.head) + FRAME_BYTES_MAX;
        }
        n_bytes
    }

    fn write(&self, points: &[PointEntry], part: &mut Part) {
        if points.is_empty() {
            return;
        }
        part.n_points += points.len() as u32;
        put_message(&mut part.out, 1, |out| {
            self.put_head(self.resource.head, out);
            runs(
                points,
                |point| point.scope_idx,
                |idx, points| {
                    put_message(out, 2, |out| {
                        self.put_head(self.entries.scope(idx), out);
                        runs(
                            points,
                            |point| point.metric_idx,
                            |idx, points| {
                                put_message(out, 2, |out| {
                                    self.put_metric(self.entries.metric(idx), points, out);
                                });
                            },
                        );
                    });
                },
            );
        });
    }

    fn put_head(&self, head: Head, out: &mut Vec<u8>) {
        if let Some(body) = head.body {
            put_delimited(out, 1, body.of(self.bytes));
        }
        if head.schema_url.len() > 0 {
            put_delimited(out, 3, head.schema_url.of(self.bytes));
        }
    }

    fn put_metric(&self, metric: MetricEntry, points: &[PointEntry], out: &mut Vec<u8>) {
        put_without(self.bytes, metric.extent, &DATA, out);
        put_message(out, metric.data_number, |out| {
            put_without(self.bytes, metric.data, &[DATA_POINTS], out);
            for point in points {
                put_delimited(out, DATA_POINTS, point.extent.of(self.bytes));
            }
        });
    }
}

fn head_len(head: Head) -> usize {
    let body = head
        .body
        .map_or(0, |body| delimited_len(body.len() as usize));
    body + delimited_len(head.schema_url.len() as usize)
}

/// Hands over runs of points with equal keys.
fn runs(
    mut points: &[PointEntry],
    key: impl Fn(&PointEntry) -> u32,
    mut run: impl FnMut(u32, &[PointEntry]),
) {
    while let Some(first) = points.first() {
        let idx = key(first);
        let n_points = points.partition_point(|point| key(point) <= idx);
        let (here, rest) = points.split_at(n_points);
        run(idx, here);
        points = rest;
    }
}
