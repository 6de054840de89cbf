use bus::{Kind, Partition, Topic};
use telemetry::Tenant;

use super::records::RECORDS_MAX;
use super::*;
use crate::admit::Budget;

fn header() -> Header {
    Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime { unix_ms: 7 },
        n_items: 0,
        request_hash: RequestHash(9),
        part: 0,
        historic: false,
    }
}

#[test]
fn records_are_numbered_and_share_one_allocation() {
    let budget = Budget::new(100);
    let (mut records, mut reserved) = (Records::new(Topic::Spans, 0, 50), budget.open());
    records.push(Partition(1), 2, b"abc", &mut reserved);
    records.push(Partition(3), 1, b"de", &mut reserved);
    assert_eq!((records.n_items(), budget.held_bytes()), (3, 5));
    let drafts = records.into_drafts(&header()).expect("they fit");
    let told: Vec<_> = drafts
        .iter()
        .map(|draft| {
            let header = &draft.header;
            (
                draft.to.partition.0,
                header.part,
                header.n_items,
                &draft.payload[..],
            )
        })
        .collect();
    assert_eq!(told, [(1, 0, 2, &b"abc"[..]), (3, 1, 1, b"de")]);
}

#[test]
fn records_over_a_bound_refuse_the_whole_request() {
    let budget = Budget::new(100);
    for (bytes_max, held, reason) in [(10, 0, "too_large"), (50, 95, "memory")] {
        let (mut other, mut reserved) = (budget.open(), budget.open());
        other.grow(held).expect("it is free");
        let mut records = Records::new(Topic::Spans, 0, bytes_max);
        records.push(Partition(0), 1, b"four", &mut reserved);
        records.push(Partition(0), 1, b"and eight", &mut reserved);
        records.push(Partition(0), 1, b"no", &mut reserved);
        let refusal = records.into_drafts(&header()).expect_err("13 bytes");
        assert_eq!(refusal.reason(), reason);
    }
}

#[test]
fn more_records_than_part_numbers_refuse_the_whole_request() {
    let budget = Budget::new(1 << 20);
    let (mut records, mut reserved) = (Records::new(Topic::Spans, 0, 1 << 20), budget.open());
    for _ in 0..=RECORDS_MAX {
        records.push(Partition(0), 1, b"x", &mut reserved);
    }
    let refusal = records.into_drafts(&header()).expect_err("65 537");
    assert_eq!(refusal.reason(), "too_large");
}

#[test]
fn what_the_walker_says_names_the_field() {
    let refusal = malformed_at("resource_spans[0].resource: invalid UTF-8".to_owned());
    assert_eq!(
        refusal,
        Refusal::malformed("resource_spans[0].resource", "invalid UTF-8")
    );
    assert_eq!(
        malformed_at("cut".to_owned()),
        Refusal::malformed("body", "cut")
    );
}
