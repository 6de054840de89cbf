//! The strict look at a whole request, after the tables: types, texts, depth, lengths. What prost refuses is refused here.
//!
//! In: bytes from outside. Out: whether they are a message, and marks that say whether anything in it must be cut or joined.

use super::super::entry::Marks;
use super::super::fault::{At, Faulty, Flaw};
use super::super::limit::WalkLimits;
use super::super::proto::{DEPTH_MAX, Reader};
use super::super::schema::{Field, Kind, Message, Role};
use super::super::walk::ValueWalk;
use super::limit::MetricLimits;
use super::runs::{KnownRuns, Note, Run};

/// Most fields of a message in the tables.
const FIELDS_MAX: usize = 16;
const KEY_MAX: u64 = u32::MAX as u64;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const DELIMITED: u64 = 2;
const FIXED32: u64 = 5;

/// Checks `bytes` as a message. Runs of labels that `known` has notes of under the same limits are not looked at; others are noted.
pub(super) fn check(
    bytes: &[u8],
    message: Message,
    limits: &MetricLimits,
    of_values: &WalkLimits,
    known: &mut KnownRuns,
) -> Faulty<Marks> {
    known.found.clear();
    let mut check = Check {
        limits,
        values: ValueWalk::new(of_values),
        marks: Marks::default(),
        known,
    };
    check.message(Reader::new(bytes), DEPTH_MAX, message)?;
    check.marks.add(check.values.take_marks());
    Ok(check.marks)
}

struct Check<'l> {
    limits: &'l MetricLimits,
    values: ValueWalk<'l>,
    marks: Marks,
    known: &'l mut KnownRuns,
}

impl Check<'_> {
    fn message(&mut self, mut reader: Reader<'_>, budget: u32, message: Message) -> Faulty<()> {
        // how often each field was met, by its place in the table
        let mut n_met = [0_u32; FIELDS_MAX];
        let mut has_one_of = false;
        while !reader.is_at_end() {
            let key = reader.varint()?;
            let Some((field, n_met)) = find(message, key, &mut n_met) else {
                reader.skip(key, budget)?;
                continue;
            };
            if *n_met == 0 && matches!(field.role, Role::Labels | Role::SeriesLabels) {
                *n_met = self.run(&mut reader, key, budget, field)?;
                continue;
            }
            let idx = *n_met;
            *n_met = n_met.saturating_add(1);
            match field.role {
                Role::Labels | Role::SeriesLabels | Role::Attributes => {
                    self.label(&mut reader, key, budget, field, idx)?;
                }
                Role::Exemplars | Role::Plain => {
                    self.field(&mut reader, key, budget, field, idx)?;
                    self.limit(idx, field.role);
                    self.once(field, idx > 0);
                }
                Role::OneOf => {
                    self.field(&mut reader, key, budget, field, idx)?;
                    self.once(field, std::mem::replace(&mut has_one_of, true));
                }
            }
        }
        Ok(())
    }

    /// Checks the labels that lie side by side from the first one on, whose key was read. Returns how many there are.
    fn run(
        &mut self,
        reader: &mut Reader<'_>,
        key: u64,
        budget: u32,
        field: &Field,
    ) -> Faulty<u32> {
        let run = Run::ahead(*reader, key).filter(|_| is_wire(key, DELIMITED).is_ok());
        let Some(run) = run else {
            // what is wrong with it, the look at it tells
            self.label(reader, key, budget, field, 0)?;
            return Ok(1);
        };
        let note = self.known.get(run.hash);
        if field.role == Role::SeriesLabels {
            let identity = note.and_then(Note::identity);
            self.known.push(Run { identity, ..run });
        }
        if note.is_some_and(|note| note.budget <= budget) {
            reader.skip_to(run.extent.end);
            return Ok(run.n_fields);
        }
        let before = (std::mem::take(&mut self.marks), self.values.take_marks());
        for idx in 0..run.n_fields {
            if idx > 0 {
                reader.varint()?;
            }
            self.label(reader, key, budget, field, idx)?;
        }
        self.marks.add(self.values.take_marks());
        if self.marks == Marks::default() {
            let identity = None;
            self.known.put(run.hash, Note::new(budget, identity));
        }
        self.marks.add(before.0);
        self.marks.add(before.1);
        Ok(run.n_fields)
    }

    /// Checks a label, whose key was read.
    fn label(
        &mut self,
        reader: &mut Reader<'_>,
        key: u64,
        budget: u32,
        field: &Field,
        idx: u32,
    ) -> Faulty<()> {
        if field.role == Role::SeriesLabels {
            return self.field(reader, key, budget, field, idx);
        }
        is_wire(key, DELIMITED).at(field.name)?;
        let label = self.values.attribute(reader, budget);
        label.at_item(field.name, idx)?;
        self.limit(idx, field.role);
        Ok(())
    }

    /// Marks what is beyond the number that a role may have.
    fn limit(&mut self, idx: u32, role: Role) {
        if idx >= n_max(role, self.limits) {
            self.marks.add(Marks::OVER);
        }
    }

    /// Marks a message that should come once and comes again: its pieces are one.
    fn once(&mut self, field: &Field, again: bool) {
        let is_single = matches!(field.kind, Kind::One(_)) || field.role == Role::OneOf;
        if again && is_single {
            self.marks.add(Marks::PIECES);
        }
    }

    fn field(
        &mut self,
        reader: &mut Reader<'_>,
        key: u64,
        budget: u32,
        field: &Field,
        idx: u32,
    ) -> Faulty<()> {
        match field.kind {
            Kind::One(message) => self
                .inner(reader, key, budget, message(), field.is_usual)
                .at(field.name),
            Kind::Many(message) => self
                .inner(reader, key, budget, message(), field.is_usual)
                .at_item(field.name, idx),
            kind => scalar(reader, key, kind).at(field.name),
        }
    }

    fn inner(
        &mut self,
        reader: &mut Reader<'_>,
        key: u64,
        budget: u32,
        message: Message,
        is_usual: Option<fn(&[u8]) -> bool>,
    ) -> Faulty<()> {
        is_wire(key, DELIMITED)?;
        let extent = reader.delimited()?;
        if budget > 0 && is_usual.is_some_and(|is| is(reader.bytes_at(extent))) {
            return Ok(());
        }
        let (body, budget) = reader.enter(extent, budget)?;
        self.message(body, budget, message)
    }
}

/// How many of a field with this role a message may have.
pub(super) fn n_max(role: Role, limits: &MetricLimits) -> u32 {
    match role {
        Role::Labels => limits.labels_max,
        Role::Attributes => limits.attributes_max,
        Role::Exemplars => limits.exemplars_max,
        Role::SeriesLabels | Role::Plain | Role::OneOf => u32::MAX,
    }
}

/// The field that a key names, whatever its wire type, with what is counted of it.
#[inline(always)]
fn find(
    message: Message,
    key: u64,
    n_met: &mut [u32; FIELDS_MAX],
) -> Option<(&'static Field, &mut u32)> {
    if key > KEY_MAX {
        return None;
    }
    let number = key >> 3;
    let mut fields = message.iter().zip(n_met);
    fields.find(|(field, _)| field.number == number)
}

#[inline(always)]
fn is_wire(key: u64, wire: u64) -> Result<(), Flaw> {
    if key & 7 == wire {
        Ok(())
    } else {
        Err(Flaw::WireType)
    }
}

fn scalar(reader: &mut Reader<'_>, key: u64, kind: Kind) -> Result<(), Flaw> {
    match kind {
        Kind::Text | Kind::Texts => {
            is_wire(key, DELIMITED)?;
            reader.string().map(drop)
        }
        Kind::Id | Kind::Bytes => {
            is_wire(key, DELIMITED)?;
            reader.delimited().map(drop)
        }
        Kind::Bool | Kind::Uint32 | Kind::Sint32 | Kind::Int64 | Kind::Enum | Kind::Unread => {
            is_wire(key, VARINT)?;
            reader.varint().map(drop)
        }
        Kind::Fixed32 => {
            is_wire(key, FIXED32)?;
            reader.fixed32().map(drop)
        }
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            is_wire(key, FIXED64)?;
            reader.fixed64().map(drop)
        }
        Kind::Uint64s if key & 7 == DELIMITED => {
            let extent = reader.delimited()?;
            let mut packed = reader.within_same(extent);
            while !packed.is_at_end() {
                packed.varint()?;
            }
            Ok(())
        }
        Kind::Uint64s => {
            is_wire(key, VARINT)?;
            reader.varint().map(drop)
        }
        Kind::Fixed64s | Kind::Doubles if key & 7 == DELIMITED => {
            let n_bytes = reader.delimited()?.len();
            if n_bytes.is_multiple_of(8) {
                Ok(())
            } else {
                Err(Flaw::Cut)
            }
        }
        Kind::Fixed64s | Kind::Doubles => {
            is_wire(key, FIXED64)?;
            reader.fixed64().map(drop)
        }
        // messages are walked, not read
        Kind::One(_) | Kind::Many(_) => Err(Flaw::WireType),
    }
}
