use bus::{Header, Partition, RequestHash, Topic};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData};
use prost::Message;
use service_map::edge;
use telemetry::RecordTime;
use telemetry::derived::DeltaValue;

use super::*;
use crate::control::Control;

/// A shard with a log of its own.
struct Log {
    shard: Shard,
    sealed: Vec<SealedEpoch>,
    offset: u64,
    historic: bool,
}

impl Log {
    fn new() -> Self {
        let of = TopicPartition {
            topic: Topic::Spans,
            partition: Partition(0),
        };
        Self {
            shard: Shard::new(of, 1),
            sealed: Vec::new(),
            offset: 0,
            historic: false,
        }
    }

    fn append(&mut self, at_ms: i64, kind: Kind, hash: u128, payload: Bytes, n_items: u32) {
        self.offset += 1;
        let header = Header {
            historic: self.historic,
            ..header(kind, hash, n_items)
        };
        let (offset, appended_at) = (Offset(self.offset), RecordTime { unix_ms: at_ms });
        let record = Record {
            of: self.shard.of,
            offset,
            appended_at,
            header,
            payload,
        };
        self.sealed
            .extend(self.shard.apply(&record).expect("the shard goes on"));
    }

    fn spans(&mut self, at_ms: i64, spans: &[Span]) {
        let scope = ScopeSpans {
            spans: spans.to_vec(),
            ..Default::default()
        };
        let data = TracesData {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![scope],
                ..Default::default()
            }],
        };
        let hash = u128::from(self.offset) + 1;
        self.append(
            at_ms,
            Kind::Otlp,
            hash,
            Bytes::from(data.encode_to_vec()),
            spans.len() as u32,
        );
    }

    /// A tick each second, as the owner of an idle partition appends them.
    fn ticks(&mut self, seconds: std::ops::RangeInclusive<i64>) {
        for s in seconds {
            self.append(s * 1_000, Kind::Tick, 0, Bytes::new(), 0);
        }
    }

    fn policy(&mut self, at_ms: i64, revision: u64, text: &str) {
        self.append(
            at_ms,
            Kind::Control,
            0,
            Control::Policy { revision, text }.encode(),
            0,
        );
    }

    fn kept(&self) -> Vec<(u8, &str, usize, bool)> {
        let kept = self.sealed.iter().flat_map(|epoch| &epoch.kept);
        kept.map(|kept| {
            (
                kept.id.0[0],
                &*kept.sampling.rule,
                kept.spans.len(),
                kept.late,
            )
        })
        .collect()
    }

    fn decided(&self) -> Vec<Settled> {
        self.sealed
            .iter()
            .flat_map(|epoch| &epoch.decided)
            .map(|decided| decided.settled)
            .collect()
    }

    fn totals(&self) -> Totals {
        self.shard.sorted_totals().first().expect("a tenant").1
    }
}

fn header(kind: Kind, hash: u128, n_items: u32) -> Header {
    Header {
        tenant: Tenant::default_tenant(),
        kind,
        accepted_at: RecordTime::default(),
        n_items,
        request_hash: RequestHash(hash),
        part: 0,
        historic: false,
    }
}

fn span(trace: u8, id: u8, is_root: bool) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if is_root { Vec::new() } else { vec![99; 8] },
        name: "a".to_owned(),
        ..Default::default()
    }
}

/// Everything is kept by a rule of this name; limits as by default.
fn keep_all(name: &str) -> String {
    let rules =
        format!("[sampler]\nrules = [{{ name = \"{name}\", sampler = {{ type = \"keep\" }} }}]\n");
    let mut config: std::collections::BTreeMap<String, Config> =
        toml::from_str(&rules).expect("a configuration");
    config
        .remove("sampler")
        .expect("it is there")
        .policy_text(1 << 30, 1)
}

#[test]
fn a_trace_is_decided_two_seconds_after_its_root_and_an_unfinished_one_after_thirty() {
    let mut log = Log::new();
    log.spans(0, &[span(1, 1, true), span(2, 1, false)]);
    log.ticks(1..=40);
    assert_eq!(log.kept(), [(1, "rest", 1, false), (2, "rest", 1, false)]);
    assert_eq!(log.decided(), [Settled::RootQuiet, Settled::Expired]);
    let ends: Vec<u64> = log
        .sealed
        .iter()
        .map(|epoch| epoch.sealed_at.ms / 1_000)
        .collect();
    assert_eq!(ends, [10, 20, 30, 40]);
    assert_eq!(
        log.sealed[0].entry.first_offset,
        Offset(1),
        "trace 2 is open since the first record"
    );
    assert_eq!(
        log.sealed[2].entry.first_offset, log.sealed[2].end_offset,
        "nothing is open"
    );
}

#[test]
fn late_spans_share_the_fate_of_their_trace_for_five_minutes() {
    let mut log = Log::new();
    log.policy(0, 1, &keep_all("all"));
    log.spans(0, &[span(1, 1, true)]);
    log.ticks(1..=200);
    log.spans(200_000, &[span(1, 2, false), span(1, 2, false)]);
    log.ticks(201..=310);
    log.spans(310_000, &[span(1, 3, true)]);
    log.ticks(311..=320);
    assert_eq!(
        log.kept(),
        [
            (1, "all", 1, false),
            (1, "all", 1, true),
            (1, "all", 1, false)
        ]
    );
    assert_eq!(
        log.totals(),
        Totals {
            accepted: 4,
            stored: 3,
            duplicates: 1,
            ..Totals::default()
        }
    );
}

#[test]
fn a_trace_is_decided_by_the_policy_in_force_at_its_first_span() {
    let mut log = Log::new();
    log.policy(0, 1, &keep_all("first"));
    log.spans(0, &[span(1, 1, false)]);
    log.policy(1_000, 2, &keep_all("second"));
    log.policy(1_000, 1, &keep_all("older"));
    log.spans(2_000, &[span(1, 2, true), span(2, 1, true)]);
    log.ticks(3..=10);
    assert_eq!(
        log.kept(),
        [(1, "first", 2, false), (2, "second", 1, false)]
    );
    assert_eq!(log.shard.revision(), 2);
}

#[test]
fn a_policy_that_cannot_be_read_stops_the_shard() {
    let mut log = Log::new();
    log.ticks(0..=1);
    let payload = Control::Policy {
        revision: 1,
        text: "rules = 5",
    }
    .encode();
    let header = header(Kind::Control, 0, 0);
    let (offset, appended_at) = (Offset(9), RecordTime { unix_ms: 2_000 });
    let record = Record {
        of: log.shard.of,
        offset,
        appended_at,
        header,
        payload,
    };
    assert!(log.shard.apply(&record).is_err());
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_counted_and_what_is_sent_again_a_duplicate() {
    let mut log = Log::new();
    for _ in 0..2 {
        log.append(0, Kind::Otlp, 7, Bytes::from_static(b"\xff\xff"), 3);
    }
    log.append(0, Kind::Control, 0, Bytes::from_static(b"junk"), 0);
    log.ticks(1..=10);
    let letters: Vec<(u64, u32)> = log.sealed[0]
        .dead_letters
        .iter()
        .map(|letter| (letter.offset.0, letter.n_spans))
        .collect();
    assert_eq!(letters, [(1, 3), (3, 0)]);
    assert_eq!(
        log.totals(),
        Totals {
            accepted: 6,
            dead_lettered: 3,
            duplicates: 3,
            ..Totals::default()
        }
    );
}

#[test]
fn a_jump_of_the_clock_or_an_outage_uses_up_ten_seconds_of_waiting_at_most() {
    let mut log = Log::new();
    log.spans(0, &[span(1, 1, false)]);
    log.ticks(400_000..=400_019);
    assert_eq!(log.shard.n_open(), 1);
    log.ticks(400_020..=400_020);
    assert_eq!(log.shard.n_open(), 0);
    log.spans(1_000, &[span(2, 1, false)]);
    log.ticks(2..=30);
    assert_eq!(
        log.shard.n_open(),
        1,
        "the clock went back, shard time did not"
    );
    log.ticks(31..=31);
    assert_eq!(log.shard.n_open(), 0);
}

#[test]
fn limits_settle_a_trace_at_the_next_second_and_it_takes_spans_until_then() {
    let mut log = Log::new();
    let text = keep_all("all").replace("trace_spans_max = 20000", "trace_spans_max = 3");
    log.policy(0, 1, &text);
    log.spans(0, &(1..=5).map(|id| span(1, id, false)).collect::<Vec<_>>());
    log.spans(500, &[span(1, 6, false)]);
    log.ticks(1..=10);
    assert_eq!(log.kept(), [(1, "all", 6, false)]);
    assert_eq!(log.decided(), [Settled::SpanLimit]);
}

#[test]
fn under_memory_pressure_the_largest_traces_are_decided_first() {
    let mut log = Log::new();
    let bytes_max = 3 * (TRACE_BYTES + SPAN_BYTES);
    let text = keep_all("all");
    let begin = text.find("partition_memory").expect("it is there");
    let end = begin + text[begin..].find('\n').expect("a line");
    log.policy(
        0,
        1,
        &text.replace(
            &text[begin..end],
            &format!("partition_memory = \"{bytes_max}B\""),
        ),
    );
    let error = Span {
        status: Some(Status {
            code: 2,
            ..Default::default()
        }),
        ..span(4, 1, false)
    };
    log.spans(
        0,
        &[
            span(1, 1, false),
            span(2, 1, false),
            span(2, 2, false),
            span(3, 1, false),
            error,
        ],
    );
    log.ticks(1..=10);
    assert_eq!(log.kept(), [(2, "all", 2, false)]);
    assert_eq!(log.decided(), [Settled::Memory]);
    assert_eq!(log.shard.open_bytes(), bytes_max);
}

#[test]
fn open_and_unsealed_traces_are_found() {
    let mut log = Log::new();
    let tenant = Tenant::default_tenant();
    log.spans(0, &[span(1, 1, true), span(2, 1, false)]);
    log.ticks(1..=3);
    let find = |log: &Log, id: u8| log.shard.find(&tenant, telemetry::TraceId([id; 16]));
    assert!(matches!(
        find(&log, 1)[..],
        [LiveRefs {
            state: LiveState::Kept(_),
            late: false,
            ..
        }]
    ));
    assert!(matches!(
        find(&log, 2)[..],
        [LiveRefs {
            state: LiveState::Undecided,
            ..
        }]
    ));
    log.spans(3_000, &[span(1, 2, false)]);
    assert_eq!(
        find(&log, 1)
            .iter()
            .map(|part| (part.late, part.spans.len()))
            .collect::<Vec<_>>(),
        [(false, 1), (true, 1)]
    );
    assert!(find(&log, 3).is_empty());
    assert!(
        log.shard
            .find(
                &"other".parse().expect("a tenant"),
                telemetry::TraceId([1; 16])
            )
            .is_empty()
    );
    assert_eq!(log.shard.candidates(&tenant, 0, u64::MAX, 10).len(), 2);
}

/// Requests by client and server, and unpaired ends by side, of all sealed epochs.
fn edges(log: &Log) -> Vec<(String, f64)> {
    let mut told = BTreeMap::new();
    let deltas = log.sealed.iter().flat_map(|epoch| &epoch.red.tenants);
    for series in deltas.flat_map(|delta| &delta.series) {
        let mut labels: Vec<&str> = series
            .labels
            .iter()
            .map(|(_, value)| value.as_str())
            .collect();
        match &*series.name {
            edge::REQUESTS | edge::UNPAIRED => {}
            edge::DROPPED => labels.insert(0, "late"),
            _ => continue,
        }
        for window in &series.windows {
            if let DeltaValue::Count(n) = window.value {
                *told.entry(labels.join(" ")).or_default() += n;
            }
        }
    }
    told.into_iter().collect()
}

fn end(trace: u8, id: u8, parent: u8, kind: i32) -> Span {
    Span {
        kind,
        parent_span_id: vec![parent; 8],
        ..span(trace, id, false)
    }
}

const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[test]
fn edges_count_once_from_every_decided_trace_and_late_spans_in_none() {
    let mut log = Log::new();
    let kept = keep_all("all");
    let dropped = kept.replace("\"keep\"", "\"drop\"");
    for (trace, policy) in (1..).zip([kept.clone(), dropped]) {
        let at_ms = i64::from(trace) * 60_000;
        log.policy(at_ms, u64::from(trace), &policy);
        let spans = [
            span(trace, 1, true),
            end(trace, 2, 1, CLIENT),
            end(trace, 3, 2, SERVER),
            end(trace, 4, 1, CLIENT),
        ];
        log.spans(at_ms, &spans);
        log.spans(at_ms, &spans[1..3]); // in another request
        assert!(log.shard.open_bytes() > TRACE_BYTES + 6 * SPAN_BYTES);
        let seconds = i64::from(trace) * 60;
        log.ticks(seconds + 1..=seconds + 20);
        assert_eq!(log.shard.open_bytes(), 0);
        log.spans(at_ms + 20_000, &[end(trace, 5, 4, SERVER)]);
        log.ticks(seconds + 21..=seconds + 40);
    }
    let expected = [
        ("late unknown_service", 2.0),
        ("unknown_service", 2.0),
        ("unknown_service unknown_service", 2.0),
    ];
    let expected = expected.map(|(labels, n)| (labels.to_owned(), n));
    assert_eq!(edges(&log), expected);
    let n_late: u64 = log.sealed.iter().map(|epoch| epoch.n_late.ends).sum();
    assert_eq!(n_late, 2);
    let kept = log.kept();
    assert_eq!(
        kept.iter().map(|(trace, ..)| *trace).collect::<Vec<_>>(),
        [1, 1]
    );
}

#[test]
fn an_epoch_ends_when_it_counts_too_much_apart() {
    let mut log = Log::new();
    log.policy(0, 1, &keep_all("all"));
    let historic = |n: u64| Span {
        end_time_unix_nano: n * 10_000_000_000,
        ..span(1, 1, true)
    };
    let spans: Vec<Span> = (0..EPOCH_COUNTS_MAX).map(historic).collect();
    log.historic = true;
    log.spans(1_000, &spans);
    log.historic = false;
    log.ticks(2..=4);
    let ends: Vec<u64> = log.sealed.iter().map(|epoch| epoch.sealed_at.ms).collect();
    assert_eq!(ends, [2_000]);
}

/// Labels named `team` of the series of spans, by epoch.
fn teams(sealed: &[SealedEpoch]) -> Vec<Vec<String>> {
    let of_epoch = |epoch: &SealedEpoch| {
        let series = epoch.red.tenants.iter().flat_map(|delta| &delta.series);
        let spans = series.filter(|one| one.name == crate::red::SPAN_DURATION);
        let labels = spans.flat_map(|one| one.labels.clone());
        let teams = labels.filter(|(name, _)| name == "team");
        teams.map(|(_, value)| value).collect()
    };
    sealed.iter().map(of_epoch).collect()
}

#[test]
fn dimensions_are_in_the_log_and_hold_from_the_next_epoch_on() {
    let config = Config {
        red_dimensions: vec!["team".to_owned()],
        ..Config::default()
    };
    let text = config.policy_text(1 << 30, 1);
    let spans = |log: &mut Log, at_ms: i64, trace: u8| {
        let attributes = vec![opentelemetry_proto::tonic::common::v1::KeyValue {
            key: "team".to_owned(),
            value: Some(opentelemetry_proto::tonic::common::v1::AnyValue {
                value: Some(
                    opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(
                        "blue".to_owned(),
                    ),
                ),
            }),
            ..Default::default()
        }];
        let span = Span {
            attributes,
            ..span(trace, 1, true)
        };
        log.spans(at_ms, &[span]);
    };
    let mut log = Log::new();
    log.ticks(1..=1);
    log.policy(1_500, 1, &text);
    spans(&mut log, 2_000, 1);
    log.ticks(3..=12);
    spans(&mut log, 13_000, 2);
    log.ticks(14..=22);
    assert_eq!(teams(&log.sealed), [vec![], vec!["blue".to_owned()]]);
    // who takes over at the end of an epoch counts on by the same
    let mut later = Log::new();
    later.offset = log.offset;
    let chain: Vec<_> = log.sealed.iter().map(|epoch| epoch.entry.clone()).collect();
    later.shard.restore(&chain).expect("restored");
    later.shard.resume();
    for log in [&mut log, &mut later] {
        spans(log, 23_000, 3);
        log.ticks(24..=32);
    }
    let newest = |log: &Log| log.sealed.last().expect("an epoch").red.clone();
    assert_eq!(newest(&log), newest(&later));
    assert_eq!(teams(&later.sealed), [vec!["blue".to_owned()]]);
}
