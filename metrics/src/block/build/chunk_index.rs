//! Where chunks lie: by sort, the series, times and size of each; and pages with their checksums. In: chunks as they end. Out: the section of the index.

use super::PAGE_BYTES;
use super::times::Times;
use crate::chunk::bytes::put_varint;
use crate::chunk::ints;

#[derive(Default)]
pub(super) struct ChunkList {
    pub(super) series: Vec<i64>,
    pub(super) times: Vec<i64>,
    pub(super) sizes: Vec<i64>,
}

#[derive(Default)]
pub(super) struct Pages {
    begin: usize,
    sizes: Vec<i64>,
    crcs: Vec<i64>,
}

impl Pages {
    pub(super) fn end_if_full(&mut self, chunks: &[u8]) {
        if chunks.len() - self.begin >= PAGE_BYTES {
            self.end(chunks);
        }
    }

    pub(super) fn end(&mut self, chunks: &[u8]) {
        let page = chunks.get(self.begin..).unwrap_or_default();
        if !page.is_empty() {
            self.sizes.push(page.len() as i64);
            self.crcs.push(i64::from(crc32c::crc32c(page)));
            self.begin = chunks.len();
        }
    }
}

pub(super) fn encode(times: &Times, sorts: &[ChunkList], pages: &Pages) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, times.sizes.len() as u64);
    for column in [&times.sizes, &times.points, &times.firsts, &times.spans] {
        ints::encode(column, &mut out);
    }
    for list in sorts {
        put_varint(&mut out, list.series.len() as u64);
        for column in [&list.series, &list.times, &list.sizes] {
            ints::encode(column, &mut out);
        }
    }
    put_varint(&mut out, pages.sizes.len() as u64);
    ints::encode(&pages.sizes, &mut out);
    ints::encode(&pages.crcs, &mut out);
    out
}
