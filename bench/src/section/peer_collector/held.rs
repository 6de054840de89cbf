//! What RED and the map hold, in a process of its own: counts of the epoch that is going on, series of the head that is not sealed yet, ends of open calls.

use bus::machine::Machine;
use metrics::machine::PointsMachine;
use sampler::Shard;
use sampler::red::Red;
use service_map::edge::{End, Pairing, Role};
use telemetry::derived::DerivedRecord;
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{RecordTime, Tenant};

use super::super::shard::{Maker, OF, counts::Kept};
use super::counting::{POINTS, points, without_calls};
use crate::corpus::{Corpus, EPOCH_UNIX_NS, Shop, Spec};
use crate::cost::memory;
use crate::table::Table;

/// Epochs of a head: 5 minutes.
const N_EPOCHS: u64 = 30;
const EPOCH_MS: u64 = 10_000;
/// Open spans, about those of 400,000 spans/s; a small corpus, repeated with new ids.
const OPEN_SPANS: u64 = 1_000_000;
const OPEN_CORPUS_SPANS: u64 = 60_000;
/// Shard time in which they come: less than the quiet after a root, so none is settled.
const OPEN_WITHIN_MS: u64 = 1_500;
/// Part of the peer's memory that ours may be.
const GOAL: f64 = 20.0;
const MIB: f64 = (1 << 20) as f64;

/// Prints what counts of spans hold, at so many spans an epoch, beside what the peer holds for them: the body of the process of its own.
///
/// # Errors
/// When memory cannot be read or stdout is closed.
pub fn hold(epoch_spans: u64, peers_bytes: u64) -> anyhow::Result<()> {
    // first, as it sees no memory that was freed before
    let [first, most] = counts(epoch_spans)?;
    let open = open_calls()?;
    let mut table = Table::new(
        format!("peer-collector: what counting holds, {epoch_spans} spans an epoch of 10 s"),
        &["", "MiB"],
    );
    for (told, bytes) in [
        ("counts of an epoch, and its windows in a head", first),
        (
            "the same at most while the head has 5 minutes of windows",
            most,
        ),
        ("ends of calls of a million open spans", open),
        (
            "the peer: connectors less pass-through, peak of the process",
            peers_bytes,
        ),
    ] {
        table.row([told.to_owned(), format!("{:.1}", bytes as f64 / MIB)]);
    }
    let times = |bytes: u64| peers_bytes as f64 / bytes.max(1) as f64;
    let all = times(most + open);
    table.note(format!(
        "all of ours is 1/{all:.1} of the peer's, with an epoch's windows alone 1/{:.1}; goal ≤ 1/{GOAL}: {}",
        times(first + open),
        super::verdict(all >= GOAL)
    ));
    table.note("resident, by the system, in a process of its own; one partition of spans and of points. The peer keeps totals, no windows");
    table.print()?;
    Ok(())
}

/// What was resident beyond what was at the start, when one epoch was counted, sealed and folded, and at most when a head had them all.
fn counts(epoch_spans: u64) -> anyhow::Result<[u64; 2]> {
    let tenant = Tenant::default_tenant();
    let (mut walker, limits) = (TraceWalker::new(), WalkLimits::trusted());
    let mut shop = Shop::new(Spec::shop(512));
    shop.whole_trace();
    let (mut red, mut pairing) = (Red::default(), Pairing::default());
    let mut machine = PointsMachine::new(POINTS, 1);
    let before = memory()?.resident_bytes;
    let (mut first, mut most) = (0, 0);
    for nth in 1..=N_EPOCHS {
        let unix_ms = EPOCH_UNIX_NS / 1_000_000 + nth * EPOCH_MS;
        let at = RecordTime {
            unix_ms: unix_ms as i64,
        };
        let mut n_spans = 0;
        while n_spans < epoch_spans {
            let request = shop.whole_trace();
            n_spans += u64::from(request.n_spans);
            let view = walker.walk(&request.bytes, &limits)?;
            red.begin_record();
            let mut kept = Vec::new();
            for span in view.spans() {
                red.observe(&tenant, &span, at, false);
                kept.extend(Role::of(span.kind()).map(|role| Kept::new(&span, role)));
            }
            let ends: Vec<End<'_>> = kept.iter().map(Kept::end).collect();
            pairing.count(&ends, |counted| red.count(&tenant, counted));
        }
        let record = DerivedRecord {
            source_partition: 0,
            previous_end: nth - 1,
            end: nth,
            part: 0,
            is_last: true,
            complete_to: at,
            tenants: red.deltas().tenants,
        };
        machine.apply(&points(nth, record.encode()))?;
        most = most.max(memory()?.resident_bytes.saturating_sub(before));
        if nth == 1 {
            first = most;
        }
        red = Red::default();
    }
    Ok([first, most])
}

/// What ends of calls add to what open traces hold. The first shard takes what was freed before; all stay, so that the others are seen.
fn open_calls() -> anyhow::Result<u64> {
    let mut with_calls = Corpus::of_whole_traces(Spec::shop(64), OPEN_CORPUS_SPANS);
    let mut without = without_calls(with_calls.clone())?;
    let first = filled(&mut without)?;
    let begin = memory()?.resident_bytes;
    let second = filled(&mut without)?;
    let middle = memory()?.resident_bytes;
    let third = filled(&mut with_calls)?;
    let end = memory()?.resident_bytes;
    drop([first, second, third]);
    let (with_ends, plain) = (end.saturating_sub(middle), middle.saturating_sub(begin));
    Ok(with_ends.saturating_sub(plain))
}

fn filled(corpus: &mut Corpus) -> anyhow::Result<Shard> {
    let mut maker = Maker::new(OPEN_SPANS * 1_000 / OPEN_WITHIN_MS);
    let mut shard = Shard::new(OF, 1);
    shard.apply(&maker.roomy_policy())?;
    for round in 0..OPEN_SPANS / corpus.n_spans {
        for request in &mut corpus.requests {
            request.renew(round);
            shard.apply(&maker.record(request))?;
        }
    }
    Ok(shard)
}
