//! Search: the traces that a filter matches, in a total order, a page at a time.
//!
//! Rows of all blocks are looked at together, the latest start first; a block is opened when its turn comes. What a row's summary and tag filter
//! cannot rule out is read and tested exactly. A hit is joined with its parts in other blocks before it gets its place in the order.

mod candidates;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{Tenant, TraceId};

use crate::block::index::{PART, Row};
use crate::block::read::{Opened, ReadError};
use crate::catalog::KnownBlock;
use crate::store::ReadRow;
use crate::tags::TagValue;
use crate::trace::merge_parts;
use crate::{Cursor, Filter, Partial, SearchPage, SearchQuery, StoredTrace, TraceStore, tags};

use candidates::Candidates;

/// Rows of a block that are looked at in one turn.
const ROWS_A_TURN: usize = 1_024;
/// Turns before other tasks of the thread get theirs: a turn without a read is up to 50 µs.
const TURNS: u64 = 8;

impl TraceStore {
    /// One page of the traces that the query's filter matches. It is exact, or says that it is partial.
    ///
    /// # Errors
    /// When the block store is unavailable. Damaged blocks make the answer partial.
    pub async fn search(
        &self,
        tenant: &Tenant,
        query: &SearchQuery,
    ) -> Result<SearchPage, ReadError> {
        let mut search = Search::begin(self, tenant, query).await?;
        let page = search.run().await?;
        if page.partial.is_some() {
            self.inner.metrics.search_partial.inc();
        }
        Ok(page)
    }
}

/// One search under way.
struct Search<'a> {
    store: &'a TraceStore,
    tenant: &'a Tenant,
    query: &'a SearchQuery,
    tag_hashes: Vec<u64>,
    /// Blocks whose turn has not come, the one with the latest start last.
    unopened: Vec<Arc<KnownBlock>>,
    opened: Vec<Candidates>,
    /// The next row of each opened block.
    heads: BinaryHeap<Head>,
    /// Traces that have rows in several blocks. A page must look at their rows even if those lie before its cursor.
    parted: HashSet<TraceId>,
    hits: HashSet<TraceId>,
    /// Hits that may still be preceded by others.
    waiting: BinaryHeap<Waiting>,
    walker: TraceWalker,
    /// Place of the row that was looked at last.
    looked_at: Option<Cursor>,
    begun: Instant,
    bytes_read: u64,
    partial: Partial,
}

/// A row that is next in its block. The greatest is the one to look at first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    place: Reverse<Cursor>,
    block_idx: usize,
    nth: usize,
}

/// A hit by its place in the order. The greatest comes first.
struct Waiting {
    place: Reverse<Cursor>,
    trace: StoredTrace,
}

impl<'a> Search<'a> {
    async fn begin(
        store: &'a TraceStore,
        tenant: &'a Tenant,
        query: &'a SearchQuery,
    ) -> Result<Search<'a>, ReadError> {
        let blocks = store.inner.catalog.read().of_tenant(tenant);
        let filter = &query.filter;
        let mut search = Search {
            store,
            tenant,
            query,
            tag_hashes: filter
                .tags
                .iter()
                .map(|(key, value)| {
                    tags::hash(key.as_bytes(), TagValue::Text(value), &mut Vec::new())
                })
                .collect(),
            unopened: blocks
                .iter()
                .filter(|block| may_overlap(block, filter))
                .cloned()
                .collect(),
            opened: Vec::new(),
            heads: BinaryHeap::new(),
            parted: HashSet::new(),
            hits: HashSet::new(),
            waiting: BinaryHeap::new(),
            walker: TraceWalker::new(),
            looked_at: None,
            begun: store.inner.clock.monotonic(),
            bytes_read: 0,
            partial: Partial::default(),
        };
        search.unopened.sort_by(|a, b| {
            (a.meta.start_last_unix_ns, &b.name).cmp(&(b.meta.start_last_unix_ns, &a.name))
        });
        if query.cursor.is_some() {
            search.find_parted(&blocks).await?;
        }
        Ok(search)
    }

    async fn find_parted(&mut self, blocks: &[Arc<KnownBlock>]) -> Result<(), ReadError> {
        for block in blocks.iter().filter(|block| block.has_parts_elsewhere()) {
            if let Some(opened) = self.open(block).await? {
                let is_beside = block.name.id.contains('-');
                let parts = opened
                    .index
                    .rows()
                    .iter()
                    .filter(|row| is_beside || row.flags & PART != 0);
                self.parted.extend(parts.map(|row| row.id));
            }
        }
        Ok(())
    }

    /// Opens a block. None if it is gone, or damaged, which is noted.
    async fn open(&mut self, block: &KnownBlock) -> Result<Option<Arc<Opened>>, ReadError> {
        match self
            .store
            .inner
            .reader
            .open(&block.name, block.size_bytes)
            .await
        {
            Ok(opened) => Ok(Some(opened)),
            Err(error) => self.pass_by(block, error).map(|()| None),
        }
    }

    /// Goes on without what could not be read, if it will not be readable later either.
    fn pass_by(&mut self, block: &KnownBlock, error: ReadError) -> Result<(), ReadError> {
        if error.is_gone() && !self.store.inner.catalog.read().has(&block.name) {
            return Ok(());
        }
        if !error.is_damage() && !error.is_gone() {
            return Err(error);
        }
        self.store.told_unreadable(&block.name, &error);
        self.partial.n_damaged += 1;
        Ok(())
    }

    async fn run(&mut self) -> Result<SearchPage, ReadError> {
        let mut traces = Vec::new();
        let mut n_turns = 0u64;
        loop {
            self.open_due().await?;
            let head = self.heads.pop();
            // No row that is still to come can give a trace a place before its own.
            let is_settled =
                |waiting: &Waiting| head.as_ref().is_none_or(|head| waiting.place > head.place);
            while traces.len() < self.query.limit && self.waiting.peek().is_some_and(is_settled) {
                traces.extend(self.waiting.pop().map(|waiting| waiting.trace));
            }
            let Some(head) = head else { break };
            if traces.len() == self.query.limit {
                return Ok(self.page(traces, None));
            }
            if self.is_used_up() {
                self.partial.limit = true;
                let resume = self.looked_at.max(self.query.cursor);
                return Ok(self.page(traces, resume));
            }
            n_turns += 1;
            if n_turns.is_multiple_of(TURNS) {
                tokio::task::yield_now().await;
            }
            self.looked_at = Some(head.place.0);
            self.look_at(head).await?;
        }
        let is_last = self.waiting.is_empty();
        let mut page = self.page(traces, None);
        if is_last {
            page.next_cursor = None;
        }
        Ok(page)
    }

    fn is_used_up(&self) -> bool {
        let config = &self.store.inner.config;
        self.bytes_read > config.search_bytes_max || self.begun.elapsed() > config.search_time_max
    }

    /// The page. Without a cursor of its own the next one begins behind its last trace.
    fn page(&mut self, traces: Vec<StoredTrace>, resume: Option<Cursor>) -> SearchPage {
        let last = traces.last().map(|trace| self.place_of(trace));
        let next_cursor = resume.or(last).or(self.query.cursor);
        SearchPage {
            traces,
            next_cursor,
            partial: Some(self.partial).filter(|partial| !partial.is_whole()),
        }
    }

    /// Opens every block that may have a row before those at hand.
    async fn open_due(&mut self) -> Result<(), ReadError> {
        while let Some(block) = self.unopened.pop() {
            if self
                .heads
                .peek()
                .is_some_and(|head| head.place.0.start_unix_ns > block.meta.start_last_unix_ns)
            {
                self.unopened.push(block);
                break;
            }
            let Some(opened) = self.open(&block).await? else {
                continue;
            };
            if let Some(candidates) = Candidates::of(opened, &self.query.filter) {
                let nth = self.first_row(&candidates.opened);
                self.opened.push(candidates);
                self.push_head(self.opened.len() - 1, nth);
            }
        }
        Ok(())
    }

    /// Where in the order of its rows a block is looked at first.
    fn first_row(&self, opened: &Opened) -> usize {
        let after_range = self
            .query
            .filter
            .start_max_unix_ns
            .map_or(0, |max| opened.index.n_starting_after(max));
        match self.query.cursor {
            Some(cursor) if self.parted.is_empty() => {
                after_range.max(opened.index.n_starting_after(cursor.start_unix_ns))
            }
            _ => after_range,
        }
    }

    /// Puts the next row of a block that may match in line; if there is none nearby, some row, so that others get their turn.
    fn push_head(&mut self, block_idx: usize, begin: usize) {
        let Some(block) = self.opened.get(block_idx) else {
            return;
        };
        let rows = (begin..begin + ROWS_A_TURN)
            .map_while(|nth| block.opened.index.nth_by_start(nth).map(|row| (nth, row)));
        let found = rows
            .clone()
            .find(|(_, row)| self.is_candidate(block, row))
            .or_else(|| rows.last());
        self.heads.extend(found.map(|(nth, row)| Head {
            place: Reverse(place_of_row(row)),
            block_idx,
            nth,
        }));
    }

    fn is_candidate(&self, block: &Candidates, row: &Row) -> bool {
        block.may_match(row, &self.query.filter, &self.tag_hashes)
            && !self.is_behind_cursor(row)
            && !self.hits.contains(&row.id)
    }

    async fn look_at(&mut self, head: Head) -> Result<(), ReadError> {
        self.push_head(head.block_idx, head.nth + 1);
        let Some(block) = self.opened.get(head.block_idx) else {
            return Ok(());
        };
        let Some(row) = block.opened.index.nth_by_start(head.nth) else {
            return Ok(());
        };
        if !self.is_candidate(block, row) {
            return Ok(());
        }
        let opened = Arc::clone(&block.opened);
        let Some(row) = opened.index.nth_by_start(head.nth) else {
            return Ok(());
        };
        self.store.inner.metrics.search_rows_read.inc();
        let spans = match self.store.inner.reader.spans(&opened, row).await {
            Ok(spans) => spans,
            Err(error) => return self.pass_by_row(&opened, error),
        };
        self.bytes_read += spans.len() as u64;
        self.store
            .inner
            .metrics
            .search_bytes_read
            .inc_by(spans.len() as u64);
        let is_hit = self
            .walker
            .walk(&spans, &WalkLimits::trusted())
            .is_ok_and(|view| self.query.filter.matches(&view));
        if is_hit {
            self.hits.insert(row.id);
            let read = ReadRow {
                block: opened.name.clone(),
                frame_at: row.frame_at,
                spans,
            };
            self.join(row.id, &read).await;
        }
        Ok(())
    }

    fn pass_by_row(&mut self, opened: &Opened, error: ReadError) -> Result<(), ReadError> {
        let block = self.store.inner.catalog.read().get(&opened.name);
        block.map_or(Ok(()), |block| self.pass_by(&block, error))
    }

    /// Whether an earlier page has had the row's trace. Of a trace with several rows only its place tells.
    fn is_behind_cursor(&self, row: &Row) -> bool {
        self.query
            .cursor
            .is_some_and(|cursor| place_of_row(row) <= cursor)
            && !self.parted.contains(&row.id)
    }

    /// Puts a hit, joined with its other parts, among those that wait.
    async fn join(&mut self, id: TraceId, read: &ReadRow) {
        let (parts, unreadable) = self.store.parts(self.tenant, id, Some(read)).await;
        if unreadable.is_some() {
            self.partial.n_damaged += 1;
        }
        if let Some(trace) = merge_parts(parts) {
            let place = self.place_of(&trace);
            if self.query.cursor.is_none_or(|cursor| place > cursor) {
                self.waiting.push(Waiting {
                    place: Reverse(place),
                    trace,
                });
            }
        }
    }

    fn place_of(&mut self, trace: &StoredTrace) -> Cursor {
        let view = self.walker.walk(&trace.traces_data, &WalkLimits::trusted());
        let start = view
            .ok()
            .and_then(|view| view.spans().map(|span| span.start_unix_ns()).min());
        Cursor {
            start_unix_ns: start.unwrap_or_default(),
            id: trace.id,
        }
    }
}

fn place_of_row(row: &Row) -> Cursor {
    Cursor {
        start_unix_ns: row.start_unix_ns,
        id: row.id,
    }
}

/// Whether a block may have a span that starts in the filter's range.
fn may_overlap(block: &KnownBlock, filter: &Filter) -> bool {
    filter
        .start_min_unix_ns
        .is_none_or(|min| min <= block.meta.start_last_unix_ns)
        && filter
            .start_max_unix_ns
            .is_none_or(|max| block.meta.start_first_unix_ns <= max)
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

#[cfg(test)]
mod tests;
