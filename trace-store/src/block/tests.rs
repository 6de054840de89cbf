//! A block reads back whole, and what is not a block is refused without a panic and without wrong data.

use blocks::{BlockKind, BlockName};
use bytes::Bytes;
use proptest::prelude::*;
use telemetry::Tenant;

use super::draft::{Packing, Spans};
use super::read::{Opened, open_body};
use super::summary::Summarizer;
use super::write::build;
use crate::fixtures::{any_trace, id, kept};

fn body_of(traces: &[opentelemetry_proto::tonic::trace::v1::TracesData], copies: u8) -> Bytes {
    let mut summarizer = Summarizer::new();
    let drafts = (0..copies).flat_map(|n| {
        traces
            .iter()
            .map(move |trace| kept(id(n), trace, n % 3 == 1))
    });
    build(
        drafts
            .map(|trace| summarizer.draft(&trace).unwrap())
            .collect(),
        3,
        Packing::Keep,
    )
    .unwrap()
    .body
}

fn opened(body: &Bytes) -> Result<Opened, super::input::DecodeError> {
    open_body(
        BlockName {
            kind: BlockKind::Traces,
            tenant: Tenant::default_tenant(),
            id: "x".into(),
        },
        body,
    )
}

/// Everything a block tells, as text.
fn told(body: &Bytes) -> Result<Vec<String>, super::input::DecodeError> {
    let opened = opened(body)?;
    let row = |row| {
        let range = opened.frame_range(row);
        let spans = opened.unpack(
            row,
            body.get(range.start as usize..range.end as usize)
                .unwrap_or_default(),
        )?;
        Ok(format!(
            "{row:?} {:?} {:?} {spans:?}",
            opened.index.operations_of(row),
            opened.shared_filter_of(row)
        ))
    };
    opened.index.rows().iter().map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_flipped_bit_of_a_block_gives_other_rows(trace in any_trace(id(1)), copies in 1u8..80, flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 24)) {
        let body = body_of(&[trace], copies);
        let sound = told(&body).unwrap();
        prop_assert_eq!(sound.len(), usize::from(copies));
        for (at, bit) in flips {
            let mut bytes = body.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(rows) = told(&bytes.into()) {
                prop_assert_eq!(&rows, &sound, "byte {} is covered by no checksum", at);
            }
        }
    }

    #[test]
    fn a_block_cut_short_is_refused(trace in any_trace(id(1)), at in any::<prop::sample::Index>()) {
        let body = body_of(&[trace], 3);
        let cut = body.slice(..at.index(body.len()));
        prop_assert!(told(&cut).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(told(&bytes.into()).is_err());
    }

    /// Checksums made right over damaged columns: what a hostile writer could do.
    #[test]
    fn an_index_of_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), n_rows in 0u32..20) {
        let bounds = super::index::Bounds { n_strings: 3, n_operations: 2, n_dictionaries: 1, frames_bytes: 100, filters_bytes: 8 };
        if let Ok(index) = super::index::Index::decode(&bytes, n_rows, &bounds) {
            prop_assert_eq!(index.rows().len(), n_rows as usize);
        }
        let names = super::names::Names::decode(&bytes);
        prop_assert!(names.is_err() || names.unwrap().encode().is_ok());
        let dictionaries = super::dictionary::decode(&bytes).unwrap_or_default();
        prop_assert!(dictionaries.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
        let meta = super::meta::Meta::decode(&bytes);
        prop_assert!(meta.is_err() || super::meta::Meta::decode(&meta.clone().unwrap().encode()) == meta);
    }
}

#[test]
fn a_dictionary_of_the_block_itself_pays() {
    let rows = |n: u8| {
        (0..n).map(|n| {
            kept(
                id(n),
                &crate::fixtures::plain(
                    id(n),
                    &[
                        ("shop-frontend", "GET /cart", 5),
                        ("cart-database", "select carts", 6),
                    ],
                ),
                false,
            )
        })
    };
    let bytes = |n| {
        let mut summarizer = Summarizer::new();
        build(
            rows(n)
                .map(|trace| summarizer.draft(&trace).unwrap())
                .collect(),
            3,
            Packing::Keep,
        )
        .unwrap()
        .body
        .len()
    };
    assert!(
        bytes(200) < 2 * bytes(60),
        "{} bytes for 200 rows, {} for 60",
        bytes(200),
        bytes(60)
    );
}

#[test]
fn a_block_tells_what_is_in_it() {
    let trace = crate::fixtures::plain(id(1), &[("shop", "buy", 5), ("db", "select", 6)]);
    let facts = super::read::inspect_block(&body_of(std::slice::from_ref(&trace), 70)).unwrap();
    assert_eq!((facts.n_rows, facts.n_spans), (70, 140));
    assert_eq!(
        facts.raw_bytes,
        70 * kept(id(1), &trace, false).traces_data.len() as u64
    );
}

#[test]
fn an_empty_block_reads_back() {
    let body = build(Vec::new(), 3, Packing::Keep).unwrap().body;
    assert_eq!(told(&body).unwrap().len(), 0);
}

#[test]
fn spans_are_kept_as_they_came() {
    let trace = kept(
        id(1),
        &crate::fixtures::plain(id(1), &[("shop", "buy", 5)]),
        false,
    );
    let draft = Summarizer::new().draft(&trace).unwrap();
    assert!(matches!(draft.spans, Spans::Raw(raw) if raw == trace.traces_data));
}

#[test]
fn rows_that_are_packed_anew_are_the_same_rows() {
    let rows = (1..=100).map(|n| {
        kept(
            id(n),
            &crate::fixtures::plain(id(n), &[("shop-frontend", "GET /cart", n.into())]),
            false,
        )
    });
    let mut summarizer = Summarizer::new();
    let drafts: Vec<_> = rows
        .map(|trace| summarizer.draft(&trace).unwrap())
        .collect();
    let first = build(drafts.clone(), 3, Packing::Keep).unwrap().body;
    let read = opened(&first).unwrap();
    let frames = drafts.iter().zip(read.index.rows()).map(|(draft, row)| {
        let range = read.frame_range(row);
        let frame = first.slice(range.start as usize..range.end as usize);
        let spans = Spans::Frame {
            frame,
            raw_bytes: row.raw_bytes,
            crc: row.frame_crc,
            dictionary: read.dictionary_of(row).cloned(),
        };
        super::draft::Draft {
            spans,
            ..draft.clone()
        }
    });
    let frames: Vec<_> = frames.collect();
    assert!(frames.iter().all(|draft| matches!(
        &draft.spans,
        Spans::Frame {
            dictionary: Some(_),
            ..
        }
    )));
    for packing in [Packing::Keep, Packing::Anew] {
        let body = build(frames.clone(), 3, packing).unwrap().body;
        let read = opened(&body).unwrap();
        for (draft, row) in drafts.iter().zip(read.index.rows()) {
            let range = read.frame_range(row);
            assert_eq!(
                &read
                    .unpack(row, &body[range.start as usize..range.end as usize])
                    .unwrap(),
                draft.raw().unwrap()
            );
        }
    }
}
