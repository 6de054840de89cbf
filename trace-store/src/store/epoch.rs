//! An epoch's kept traces as a block: in their order, without repetitions, with the hash of their content.

use blocks::ContentHash;
use bytes::Bytes;
use telemetry::TraceId;
use telemetry::wire::{TraceWalker, TracesView, WalkError, WalkLimits};
use xxhash_rust::xxh3::Xxh3;

use super::WriteError;
use crate::block::draft::{Draft, Packing};
use crate::block::summary::Summarizer;
use crate::block::write::{Built, build};
use crate::{EpochName, KeptTrace};

impl EpochName {
    /// Id of its block: docs/formats/trace-epoch-block.md.
    pub(crate) fn block_id(self) -> String {
        format!(
            "e.{:05}.{:020}.{:03}",
            self.partition, self.end_offset, self.part
        )
    }
}

/// Shows every trace to `see`, in the order given.
pub(super) fn build_epoch(
    traces: &[KeptTrace],
    level: i32,
    mut see: impl FnMut(&TracesView<'_>),
) -> Result<(ContentHash, Built), WriteError> {
    let mut summarizer = Summarizer::new();
    let draft = |trace: &KeptTrace| {
        summarizer
            .draft_seen(trace, &mut see)
            .map_err(|cause| not_otlp(trace, cause))
    };
    let mut drafts = traces
        .iter()
        .map(draft)
        .collect::<Result<Vec<Draft>, WriteError>>()?;
    drafts.sort_by(|a, b| order(a).cmp(&order(b)));
    drafts.dedup_by(|a, b| order(a) == order(b));
    let content = content_of(&drafts);
    Ok((content, build(drafts, level, Packing::Keep)?))
}

/// Shows every trace of an epoch whose block is there already.
pub(super) fn show(
    traces: &[KeptTrace],
    mut see: impl FnMut(&TracesView<'_>),
) -> Result<(), WriteError> {
    let mut walker = TraceWalker::new();
    for trace in traces {
        let walked = walker.walk(&trace.traces_data, &WalkLimits::trusted());
        see(&walked.map_err(|cause| not_otlp(trace, cause))?);
    }
    Ok(())
}

fn not_otlp(trace: &KeptTrace, cause: WalkError) -> WriteError {
    WriteError::NotOtlp {
        id: trace.id,
        cause,
    }
}

fn order(draft: &Draft) -> (TraceId, u8, Option<&Bytes>) {
    (draft.row.id, draft.row.flags, draft.raw())
}

fn content_of(drafts: &[Draft]) -> ContentHash {
    let mut hash = Xxh3::new();
    for draft in drafts {
        let row = &draft.row;
        hash.update(&row.id.0);
        hash.update(&[row.flags]);
        hash.update(&row.threshold.to_le_bytes());
        hash.update(&row.threshold_in.to_le_bytes());
        hash.update(&(draft.rule.len() as u32).to_le_bytes());
        hash.update(draft.rule.as_bytes());
        let raw = draft.raw().map_or(&[][..], |raw| raw);
        hash.update(&(raw.len() as u64).to_le_bytes());
        hash.update(raw);
    }
    ContentHash(hash.digest128())
}
