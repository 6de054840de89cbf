//! The frames section: the spans of each row, compressed.

use std::borrow::Cow;

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::compress_bound;

use super::dictionary;
use super::draft::{Draft, Packing, Spans};
use super::input::DecodeError;
use super::layout::ROW_RAW_BYTES_MAX;
use super::write::{BuildError, limit};

/// The section, and where each row is in it.
pub(super) struct Frames {
    pub(super) bytes: Vec<u8>,
    pub(super) dictionaries: Vec<Bytes>,
    pub(super) packed: Vec<Packed>,
}

pub(super) struct Packed {
    pub(super) frame_bytes: u32,
    pub(super) raw_bytes: u32,
    pub(super) crc: u32,
    pub(super) dictionary: Option<u32>,
}

impl Frames {
    pub(super) fn pack(drafts: &[Draft], level: i32, packing: Packing) -> Result<Self, BuildError> {
        let mut unpacker = Unpacker::default();
        let own = match packing {
            Packing::Keep => dictionary::of_rows(
                &drafts
                    .iter()
                    .filter_map(Draft::raw)
                    .cloned()
                    .collect::<Vec<_>>(),
            ),
            Packing::Anew => dictionary::trained(&unpacker.samples(drafts)?),
        };
        let mut compressor = match &own {
            Some(dictionary) => Compressor::with_dictionary(level, dictionary)?,
            None => Compressor::new(level)?,
        };
        let mut frames = Self {
            bytes: Vec::new(),
            dictionaries: own.iter().cloned().collect(),
            packed: Vec::with_capacity(drafts.len()),
        };
        let mut frame = Vec::new();
        for draft in drafts {
            let packed = match (&draft.spans, packing) {
                (
                    Spans::Frame {
                        frame,
                        raw_bytes,
                        crc,
                        dictionary,
                    },
                    Packing::Keep,
                ) => frames.append(frame, *raw_bytes, *crc, dictionary.as_ref()),
                (spans, _) => {
                    let raw = unpacker.unpack(spans)?;
                    limit("length of a trace", raw.len() as u64, ROW_RAW_BYTES_MAX)?;
                    frame.clear();
                    frame.reserve(compress_bound(raw.len()));
                    compressor.compress_to_buffer(&raw, &mut frame)?;
                    let crc = crc32c::crc32c(&frame);
                    frames.append(&frame, raw.len() as u32, crc, own.as_ref())
                }
            };
            frames.packed.push(packed);
        }
        Ok(frames)
    }

    fn append(
        &mut self,
        frame: &[u8],
        raw_bytes: u32,
        crc: u32,
        dictionary: Option<&Bytes>,
    ) -> Packed {
        self.bytes.extend(frame);
        let dictionary = dictionary.map(|dictionary| self.dictionary_idx(dictionary));
        Packed {
            frame_bytes: frame.len() as u32,
            raw_bytes,
            crc,
            dictionary,
        }
    }

    fn dictionary_idx(&mut self, dictionary: &Bytes) -> u32 {
        let idx = self
            .dictionaries
            .iter()
            .position(|known| is_same(known, dictionary))
            .unwrap_or_else(|| {
                self.dictionaries.push(dictionary.clone());
                self.dictionaries.len() - 1
            });
        idx as u32
    }
}

/// Rows of one input come in no order, but clones of its dictionary share their bytes: comparing begins with the address.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.len() == other.len() && (one.as_ptr() == other.as_ptr() || one == other)
}

/// Takes frames apart again, with a decompressor for each dictionary that it has met.
#[derive(Default)]
struct Unpacker {
    plain: Option<Decompressor<'static>>,
    with_dictionary: Vec<(Bytes, Decompressor<'static>)>,
}

impl Unpacker {
    fn samples(&mut self, drafts: &[Draft]) -> Result<Vec<Bytes>, BuildError> {
        let sampled = dictionary::sample(drafts.len()).filter_map(|idx| drafts.get(idx));
        sampled
            .map(|draft| {
                self.unpack(&draft.spans)
                    .map(|raw| Bytes::from(raw.into_owned()))
            })
            .collect()
    }

    fn unpack<'a>(&mut self, spans: &'a Spans) -> Result<Cow<'a, [u8]>, BuildError> {
        let (frame, raw_bytes, crc, dictionary) = match spans {
            Spans::Raw(raw) => return Ok(Cow::Borrowed(raw)),
            Spans::Frame {
                frame,
                raw_bytes,
                crc,
                dictionary,
            } => (frame, *raw_bytes, *crc, dictionary),
        };
        if crc32c::crc32c(frame) != crc {
            return Err(DecodeError("a frame's checksum differs").into());
        }
        let raw = self
            .decompressor(dictionary.as_ref())?
            .decompress(frame, raw_bytes as usize)?;
        if raw.len() == raw_bytes as usize {
            Ok(Cow::Owned(raw))
        } else {
            Err(DecodeError("a frame's length differs").into())
        }
    }

    fn decompressor(
        &mut self,
        dictionary: Option<&Bytes>,
    ) -> std::io::Result<&mut Decompressor<'static>> {
        let Some(dictionary) = dictionary else {
            let plain = self.plain.take().map_or_else(Decompressor::new, Ok)?;
            return Ok(self.plain.insert(plain));
        };
        let known = self
            .with_dictionary
            .iter()
            .position(|(known, _)| is_same(known, dictionary));
        let idx = known.unwrap_or(self.with_dictionary.len());
        if known.is_none() {
            self.with_dictionary.push((
                dictionary.clone(),
                Decompressor::with_dictionary(dictionary)?,
            ));
        }
        let (_, decompressor) = self
            .with_dictionary
            .get_mut(idx)
            .expect("it was found or pushed");
        Ok(decompressor)
    }
}
