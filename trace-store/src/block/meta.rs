//! What the catalog keeps of a trace block, so that a search can pass it by without opening it.

use bytes::Bytes;
use telemetry::ShardTime;

use super::input::{DecodeError, Input, put_text, put_varint};

const VERSION: u8 = 1;
/// Most blocks that went into one.
pub(crate) const INPUTS_MAX: usize = 1_500;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Meta {
    /// 0: an epoch; 1, 2: merges.
    pub(crate) level: u8,
    pub(crate) partition: u32,
    pub(crate) sealed_first: ShardTime,
    pub(crate) sealed_last: ShardTime,
    pub(crate) n_rows: u64,
    pub(crate) n_parts: u64,
    pub(crate) n_spans: u64,
    pub(crate) start_first_unix_ns: u64,
    pub(crate) start_last_unix_ns: u64,
    /// When it, or the newest of its inputs, was written: retention goes by this, since senders' clocks may be anything.
    pub(crate) written_at_unix_ms: u64,
    /// Of a merge: shard time at which its window begins.
    pub(crate) window_s: u64,
    /// Of a merge: how many came before it for this window.
    pub(crate) generation: u64,
    /// Ids of the blocks that went into it.
    pub(crate) inputs: Vec<String>,
}

impl Meta {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = vec![VERSION, self.level];
        let numbers = [
            self.partition.into(),
            self.sealed_first.ms,
            self.sealed_last.ms,
            self.n_rows,
            self.n_parts,
            self.n_spans,
            self.start_first_unix_ns,
            self.start_last_unix_ns,
            self.written_at_unix_ms,
            self.window_s,
            self.generation,
            self.inputs.len() as u64,
        ];
        numbers
            .iter()
            .for_each(|&number| put_varint(&mut out, number));
        self.inputs.iter().for_each(|id| put_text(&mut out, id));
        out.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Input(bytes);
        if input.u8()? != VERSION {
            return Err(DecodeError("unknown version of its meta"));
        }
        let mut meta = Self {
            level: input.u8()?,
            partition: input.varint_u32()?,
            sealed_first: ShardTime {
                ms: input.varint()?,
            },
            sealed_last: ShardTime {
                ms: input.varint()?,
            },
            n_rows: input.varint()?,
            n_parts: input.varint()?,
            n_spans: input.varint()?,
            start_first_unix_ns: input.varint()?,
            start_last_unix_ns: input.varint()?,
            written_at_unix_ms: input.varint()?,
            window_s: input.varint()?,
            generation: input.varint()?,
            inputs: Vec::new(),
        };
        let n_inputs = input.varint_below(INPUTS_MAX as u64 + 1)?;
        meta.inputs = (0..n_inputs)
            .map(|_| input.text().map(str::to_owned))
            .collect::<Result<_, _>>()?;
        Ok(meta)
    }
}
