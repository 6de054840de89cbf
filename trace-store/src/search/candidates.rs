//! The rows of a block that may hold a match, told without reading spans.

use std::sync::Arc;

use crate::Filter;
use crate::block::index::Row;
use crate::block::names::NamedOperation;
use crate::block::read::Opened;

/// An opened block and what the filter wants of it.
pub(super) struct Candidates {
    pub(super) opened: Arc<Opened>,
    /// By operation of the block: whether it meets the filter's service, operation and kind.
    wanted: Vec<bool>,
}

impl Candidates {
    /// None if no operation of the block is wanted.
    pub(super) fn of(opened: Arc<Opened>, filter: &Filter) -> Option<Self> {
        let is_wanted = |operation: &NamedOperation| {
            filter
                .service
                .as_deref()
                .is_none_or(|service| service == &*operation.service)
                && filter
                    .operation
                    .as_deref()
                    .is_none_or(|name| name == &*operation.name)
                && filter.kind.is_none_or(|kind| kind as u8 == operation.kind)
        };
        let wanted: Vec<bool> = opened.names.operations().iter().map(is_wanted).collect();
        wanted.contains(&true).then_some(Self { opened, wanted })
    }

    /// Whether summary, operations and tag filter leave it possible that one span of the row meets everything.
    pub(super) fn may_match(&self, row: &Row, filter: &Filter, tag_hashes: &[u64]) -> bool {
        filter
            .start_min_unix_ns
            .is_none_or(|min| min <= row.start_last_unix_ns)
            && filter
                .start_max_unix_ns
                .is_none_or(|max| row.start_unix_ns <= max)
            && filter
                .duration_min_ns
                .is_none_or(|min| min <= row.span_max_ns)
            && filter
                .duration_max_ns
                .is_none_or(|max| row.span_min_ns <= max)
            && filter
                .kind
                .is_none_or(|kind| row.kinds >> (kind as u8) & 1 == 1)
            && filter
                .status
                .is_none_or(|status| row.statuses >> (status as u8) & 1 == 1)
            && self.may_have_span(row, filter)
            && tag_hashes
                .iter()
                .all(|hash| self.opened.may_have_tag(row, *hash))
    }

    fn may_have_span(&self, row: &Row, filter: &Filter) -> bool {
        let is_wanted = |idx: u32| self.wanted.get(idx as usize) == Some(&true);
        self.opened
            .index
            .operations_of(row)
            .iter()
            .any(|(idx, usage)| is_wanted(*idx) && usage.may_meet(filter))
    }
}
