//! The cold way: a request written anew after the tables, where attributes or exemplars are over a limit, or where a message that occurs once came in
//! pieces.
//!
//! In: a checked request. Out: the same with pieces joined (the bodies one after the other are the message) and what is over a limit left out. It
//! goes as deep as the check let it: prost's 100 levels.

use super::super::entry::Marks;
use super::super::limit::WalkLimits;
use super::super::proto::{DEPTH_MAX, Reader, put_message};
use super::super::schema::{Field, KEY_VALUE, Kind, METRICS_DATA, Message, Role};
use super::super::walk::ValueWalk;
use super::check::n_max;
use super::limit::{MetricLimits, RejectedPoints};

/// Appends `bytes` written anew.
pub(super) fn metrics_data(
    bytes: &[u8],
    limits: &MetricLimits,
    of_values: &WalkLimits,
    rejected: &mut RejectedPoints,
    out: &mut Vec<u8>,
) {
    let mut rewrite = Rewrite {
        limits,
        of_values,
        rejected,
    };
    rewrite.message(&[bytes], METRICS_DATA, out);
}

struct Rewrite<'l> {
    limits: &'l MetricLimits,
    of_values: &'l WalkLimits,
    rejected: &'l mut RejectedPoints,
}

/// What is written once all pieces of a message were seen.
#[derive(Default)]
struct Held<'a> {
    /// Bodies of messages that occur once.
    single: Vec<(&'static Field, Vec<&'a [u8]>)>,
    /// The last of several: a message in pieces, or a field as it is.
    one_of: Option<(u64, OneOf<'a>)>,
    n_attributes: u32,
    n_exemplars: u32,
}

enum OneOf<'a> {
    Message(fn() -> Message, Vec<&'a [u8]>),
    Plain(&'a [u8]),
}

impl Rewrite<'_> {
    fn message(&mut self, pieces: &[&[u8]], message: Message, out: &mut Vec<u8>) {
        let mut held = Held::default();
        for piece in pieces {
            let mut reader = Reader::new(piece);
            while !reader.is_at_end() {
                if self.field(&mut reader, message, &mut held, out).is_none() {
                    break;
                }
            }
        }
        for (field, bodies) in held.single {
            if let Kind::One(message) = field.kind {
                put_message(out, field.number, |out| {
                    self.message(&bodies, message(), out);
                });
            }
        }
        match held.one_of {
            None => {}
            Some((_, OneOf::Plain(field))) => out.extend_from_slice(field),
            Some((number, OneOf::Message(message, bodies))) => put_message(out, number, |out| {
                self.message(&bodies, message(), out);
            }),
        }
    }

    fn field<'a>(
        &mut self,
        reader: &mut Reader<'a>,
        message: Message,
        held: &mut Held<'a>,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let start = reader.at();
        let key = reader.varint().ok()?;
        let Some(field) = message.iter().find(|field| field.number == key >> 3) else {
            reader.skip(key, DEPTH_MAX).ok()?;
            out.extend_from_slice(reader.since(start));
            return Some(());
        };
        match (field.kind, field.role) {
            (Kind::One(message), Role::OneOf) => {
                let body = reader.delimited_bytes().ok()?;
                match &mut held.one_of {
                    Some((number, OneOf::Message(_, bodies))) if *number == field.number => {
                        bodies.push(body);
                    }
                    other => *other = Some((field.number, OneOf::Message(message, vec![body]))),
                }
            }
            (_, Role::OneOf) => {
                reader.skip(key, DEPTH_MAX).ok()?;
                held.one_of = Some((field.number, OneOf::Plain(reader.since(start))));
            }
            (Kind::One(_), _) => {
                let body = reader.delimited_bytes().ok()?;
                let found = held
                    .single
                    .iter_mut()
                    .find(|(at, _)| at.number == field.number);
                match found {
                    Some((_, bodies)) => bodies.push(body),
                    None => held.single.push((field, vec![body])),
                }
            }
            (Kind::Many(message), _) => {
                let body = reader.delimited_bytes().ok()?;
                if self.is_kept(body, field.role, held) {
                    put_message(out, field.number, |out| {
                        self.message(&[body], message(), out);
                    });
                }
            }
            _ => {
                reader.skip(key, DEPTH_MAX).ok()?;
                out.extend_from_slice(reader.since(start));
            }
        }
        Some(())
    }

    /// Whether a message that occurs often is within its limits; counts it.
    fn is_kept(&mut self, body: &[u8], role: Role, held: &mut Held<'_>) -> bool {
        let n_max = n_max(role, self.limits);
        match role {
            Role::SeriesLabels | Role::Plain | Role::OneOf => true,
            Role::Labels | Role::Attributes => {
                let is_kept = held.n_attributes < n_max && self.fits(body);
                held.n_attributes += u32::from(is_kept);
                self.rejected.n_attributes += u64::from(!is_kept);
                is_kept
            }
            Role::Exemplars => {
                let is_kept = held.n_exemplars < n_max;
                held.n_exemplars += u32::from(is_kept);
                self.rejected.n_exemplars += u64::from(!is_kept);
                is_kept
            }
        }
    }

    /// Whether an attribute is within the limits on keys and values, once its pieces are joined.
    fn fits(&mut self, body: &[u8]) -> bool {
        let mut joined = Vec::with_capacity(body.len());
        self.message(&[body], KEY_VALUE, &mut joined);
        let mut values = ValueWalk::new(self.of_values);
        let is_read = values.body(&joined, DEPTH_MAX).is_ok();
        let marks = values.take_marks();
        is_read && !marks.has(Marks::OVER) && !marks.has(Marks::DEEP)
    }
}
