//! Rows become the body of a block.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use super::dictionary;
use super::draft::{Draft, Packing};
use super::filter_bits;
use super::frames::{Frames, Packed};
use super::index::{Index, PART, Row, RowOperation};
use super::input::DecodeError;
use super::layout::{BodyWriter, ROWS_MAX, Section};
use super::meta::Meta;
use super::names::Names;
use super::usage::Usage;

/// Why rows do not become a block.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{what} is {count}, over the limit of {count_max} for one block")]
    TooLarge {
        what: &'static str,
        count: u64,
        count_max: u64,
    },
    #[error("a trace's spans do not compress: {0}")]
    Compress(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A body, and of its meta what the rows say.
pub(crate) struct Built {
    pub(crate) body: Bytes,
    pub(crate) meta: Meta,
}

/// Builds a block of rows that are in their order: by id, then late ones last.
pub(crate) fn build(drafts: Vec<Draft>, level: i32, packing: Packing) -> Result<Built, BuildError> {
    limit("count of traces", drafts.len() as u64, ROWS_MAX.into())?;
    let meta = meta_of(&drafts);
    let names = names_of(&drafts);
    let frames = Frames::pack(&drafts, level, packing)?;
    let mut filters = Vec::new();
    drafts
        .iter()
        .for_each(|draft| filters.extend(draft.filter.iter()));
    limit(
        "length of tag filters",
        filters.len() as u64,
        u32::MAX.into(),
    )?;
    let rows = drafts
        .iter()
        .zip(&frames.packed)
        .map(|(draft, packed)| located(draft, packed, &names));
    let index = Index::of(
        rows.collect::<Option<Vec<_>>>()
            .ok_or(DecodeError("a row has a name that its block has not"))?
            .into_iter(),
    );
    let ids = drafts
        .iter()
        .map(|draft| filter_bits::id_hash(draft.row.id))
        .collect();

    let mut body = BodyWriter::new();
    body.append(
        Section::Dictionaries,
        &dictionary::encode(&frames.dictionaries)?,
    )?;
    body.append(Section::Frames, &frames.bytes)?;
    body.append(Section::Names, &names.encode()?)?;
    body.append(Section::Index, &index.encode())?;
    body.append(Section::TagFilters, &filters)?;
    body.append(Section::IdFilter, &filter_bits::build(&ids))?;
    Ok(Built {
        body: body.finish(drafts.len() as u32).into(),
        meta,
    })
}

fn meta_of(drafts: &[Draft]) -> Meta {
    let rows = || drafts.iter().map(|draft| &draft.row);
    Meta {
        n_rows: drafts.len() as u64,
        n_parts: rows().filter(|row| row.flags & PART != 0).count() as u64,
        n_spans: rows().map(|row| u64::from(row.n_spans)).sum(),
        start_first_unix_ns: rows()
            .map(|row| row.start_unix_ns)
            .min()
            .unwrap_or_default(),
        start_last_unix_ns: rows()
            .map(|row| row.start_last_unix_ns)
            .max()
            .unwrap_or_default(),
        ..Meta::default()
    }
}

fn names_of(drafts: &[Draft]) -> Names {
    let mut strings = BTreeSet::new();
    let mut operations = BTreeSet::new();
    let mut add = |string: &Arc<str>| {
        if !strings.contains(string) {
            strings.insert(Arc::clone(string));
        }
    };
    for draft in drafts {
        add(&draft.rule);
        if let Some((service, name)) = &draft.root {
            add(service);
            add(name);
        }
        for (operation, _) in &draft.operations {
            if !operations.contains(operation) {
                add(&operation.service);
                add(&operation.name);
                operations.insert(operation.clone());
            }
        }
    }
    Names::of(strings, operations)
}

fn located(draft: &Draft, packed: &Packed, names: &Names) -> Option<(Row, Vec<RowOperation>)> {
    let root = match &draft.root {
        Some((service, name)) => (Some(names.idx_of(service)?), Some(names.idx_of(name)?)),
        None => (None, None),
    };
    let row = Row {
        rule: names.idx_of(&draft.rule)?,
        root_service: root.0,
        root_name: root.1,
        frame_bytes: packed.frame_bytes,
        raw_bytes: packed.raw_bytes,
        frame_crc: packed.crc,
        dictionary: packed.dictionary,
        filter_bytes: draft.filter.len() as u32,
        ..draft.row
    };
    let located = |(operation, usage): &(_, Usage)| {
        names.idx_of_operation(operation).map(|idx| (idx, *usage))
    };
    let operations = draft
        .operations
        .iter()
        .map(located)
        .collect::<Option<_>>()?;
    Some((row, operations))
}

pub(super) fn limit(what: &'static str, count: u64, count_max: u64) -> Result<(), BuildError> {
    if count <= count_max {
        Ok(())
    } else {
        Err(BuildError::TooLarge {
            what,
            count,
            count_max,
        })
    }
}
