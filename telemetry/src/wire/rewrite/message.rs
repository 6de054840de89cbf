//! Messages with attributes, written anew: attributes, events and links up to their number, texts up to their length, all else as it came.

use super::super::field::{event, link, resource, scope, span, status};
use super::super::limit::WalkLimits;
use super::super::proto::{DEPTH_MAX, Reader, put_delimited, put_message, put_varint};
use super::value;
use crate::semconv::TRACEWELL_TRUNCATED;

/// How a message is cut.
pub(super) struct Shape {
    /// Key of the attributes; 0 if there are none.
    attributes: u64,
    /// Key of the count of attributes left out.
    dropped: u64,
    /// Texts that are cut, with their names.
    texts: &'static [(u64, &'static str)],
    parts: &'static [Part],
}

/// A message within a message.
struct Part {
    key: u64,
    /// Key of the count of parts left out; 0 if all stay.
    dropped: u64,
    n_max: fn(&WalkLimits) -> u32,
    shape: &'static Shape,
}

pub(super) static RESOURCE: Shape = Shape {
    attributes: resource::ATTRIBUTES,
    dropped: resource::DROPPED_ATTRIBUTES_COUNT,
    texts: &[],
    parts: &[],
};

pub(super) static SCOPE: Shape = Shape {
    attributes: scope::ATTRIBUTES,
    dropped: scope::DROPPED_ATTRIBUTES_COUNT,
    texts: &[(scope::NAME, "name"), (scope::VERSION, "version")],
    parts: &[],
};

pub(super) static SPAN: Shape = Shape {
    attributes: span::ATTRIBUTES,
    dropped: span::DROPPED_ATTRIBUTES_COUNT,
    texts: &[(span::NAME, "name"), (span::TRACE_STATE, TRACE_STATE)],
    parts: &[
        Part {
            key: span::EVENTS,
            dropped: span::DROPPED_EVENTS_COUNT,
            n_max: |limits| limits.events_max,
            shape: &EVENT,
        },
        Part {
            key: span::LINKS,
            dropped: span::DROPPED_LINKS_COUNT,
            n_max: |limits| limits.links_max,
            shape: &LINK,
        },
        Part {
            key: span::STATUS,
            dropped: 0,
            n_max: |_| u32::MAX,
            shape: &STATUS,
        },
    ],
};

static EVENT: Shape = Shape {
    attributes: event::ATTRIBUTES,
    dropped: event::DROPPED_ATTRIBUTES_COUNT,
    texts: &[(event::NAME, "name")],
    parts: &[],
};

static LINK: Shape = Shape {
    attributes: link::ATTRIBUTES,
    dropped: link::DROPPED_ATTRIBUTES_COUNT,
    texts: &[(link::TRACE_STATE, TRACE_STATE)],
    parts: &[],
};

static STATUS: Shape = Shape {
    attributes: 0,
    dropped: 0,
    texts: &[(status::MESSAGE, "status.message")],
    parts: &[],
};

const TRACE_STATE: &str = "trace_state";

/// Appends the body of the message whose bodies are `pieces`.
pub(super) fn write(
    pieces: &[&[u8]],
    shape: &'static Shape,
    limits: &WalkLimits,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let mut cut = Vec::new();
    let mut writer = Writer::new(shape, limits, limits.attributes_max, &mut cut);
    writer.write(pieces, out);
    let is_full = writer.n_attributes == limits.attributes_max;
    if !cut.is_empty() && is_full {
        // The list of what was cut is an attribute as well: it takes the place of the last one.
        out.truncate(start);
        cut.clear();
        let n_max = limits.attributes_max.saturating_sub(1);
        Writer::new(shape, limits, n_max, &mut cut).write(pieces, out);
    }
    if !cut.is_empty() && shape.attributes != 0 {
        put_message(out, shape.attributes >> 3, |out| {
            value::put_texts(TRACEWELL_TRUNCATED, &cut, out)
        });
    }
}

struct Writer<'w> {
    shape: &'static Shape,
    limits: &'w WalkLimits,
    n_attributes_max: u32,
    /// Keys of attributes, and names of texts, that were cut.
    cut: &'w mut Vec<String>,
    n_attributes: u32,
    attributes_dropped: Dropped,
    /// For each of the shape's parts.
    parts: Vec<PartCount>,
}

#[derive(Clone, Copy, Default)]
struct PartCount {
    n_written: u32,
    dropped: Dropped,
}

/// How many items are missing: what the sender says, and what was left out here.
#[derive(Clone, Copy, Default)]
struct Dropped {
    sent: u32,
    here: u32,
}

impl Dropped {
    fn put(self, key: u64, out: &mut Vec<u8>) {
        let count = self.sent.saturating_add(self.here);
        if key != 0 && count > 0 {
            put_varint(out, key);
            put_varint(out, u64::from(count));
        }
    }
}

impl<'w> Writer<'w> {
    fn new(
        shape: &'static Shape,
        limits: &'w WalkLimits,
        n_attributes_max: u32,
        cut: &'w mut Vec<String>,
    ) -> Self {
        Self {
            shape,
            limits,
            n_attributes_max,
            cut,
            n_attributes: 0,
            attributes_dropped: Dropped::default(),
            parts: vec![PartCount::default(); shape.parts.len()],
        }
    }

    fn write(&mut self, pieces: &[&[u8]], out: &mut Vec<u8>) {
        for piece in pieces {
            let mut reader = Reader::new(piece);
            while !reader.is_at_end() {
                if self.field(&mut reader, out).is_none() {
                    break;
                }
            }
        }
        self.attributes_dropped.put(self.shape.dropped, out);
        for (part, count) in self.shape.parts.iter().zip(&self.parts) {
            count.dropped.put(part.dropped, out);
        }
    }

    fn field(&mut self, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Option<()> {
        let start = reader.at();
        let key = reader.varint().ok()?;
        if key == self.shape.attributes {
            let body = reader.delimited_bytes().ok()?;
            self.attribute(body, out);
        } else if key == self.shape.dropped {
            self.attributes_dropped.sent = reader.varint().ok()? as u32;
        } else if let Some(idx) = self.shape.parts.iter().position(|part| part.key == key) {
            let body = reader.delimited_bytes().ok()?;
            self.part(idx, body, out);
        } else if let Some(idx) = self.shape.parts.iter().position(|part| part.dropped == key) {
            let count = reader.varint().ok()? as u32;
            self.parts.get_mut(idx)?.dropped.sent = count;
        } else if let Some((_, name)) = self.shape.texts.iter().find(|(text, _)| *text == key) {
            let body = reader.delimited_bytes().ok()?;
            self.text(key, name, body, out);
        } else {
            reader.skip(key, DEPTH_MAX).ok()?;
            out.extend_from_slice(reader.since(start));
        }
        Some(())
    }

    fn attribute(&mut self, body: &[u8], out: &mut Vec<u8>) {
        if self.n_attributes == self.n_attributes_max {
            self.attributes_dropped.here += 1;
            return;
        }
        self.n_attributes += 1;
        let field = self.shape.attributes >> 3;
        put_message(out, field, |out| {
            self.cut
                .extend(value::put_key_value(body, self.limits, out));
        });
    }

    fn part(&mut self, idx: usize, body: &[u8], out: &mut Vec<u8>) {
        let (Some(part), Some(count)) = (self.shape.parts.get(idx), self.parts.get_mut(idx)) else {
            return;
        };
        if count.n_written == (part.n_max)(self.limits) {
            count.dropped.here += 1;
            return;
        }
        count.n_written += 1;
        put_message(out, part.key >> 3, |out| {
            if part.shape.attributes == 0 {
                let mut writer = Writer::new(part.shape, self.limits, 0, self.cut);
                writer.write(&[body], out);
            } else {
                write(&[body], part.shape, self.limits, out);
            }
        });
    }

    fn text(&mut self, key: u64, name: &str, body: &[u8], out: &mut Vec<u8>) {
        let (mut text, is_cut) = value::cut(body, self.limits.string_bytes_max);
        if is_cut {
            self.cut.push(name.to_owned());
            if name == TRACE_STATE {
                // Whole entries only: half an entry would say something else.
                let end = text.iter().rposition(|&byte| byte == b',').unwrap_or(0);
                text = text.get(..end).unwrap_or_default();
            }
        }
        put_delimited(out, key >> 3, text);
    }
}
