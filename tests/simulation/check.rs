//! What must be true of a whole run, worked out from the log by another way than the shard's.

use std::collections::{BTreeMap, BTreeSet};

use bus::{Kind, Offset, Record};
use sampler::control::Control;
use sampler::policy::Policy;
use sampler::shard::Totals;
use sampler::{SealedEpoch, Shard};
use telemetry::wire::{TraceWalker, WalkLimits, span_at};
use telemetry::{ShardClock, Tenant, TraceId};

use crate::red::{self, is_red};
use crate::told::{Said, Told};

/// A span by what is in it.
type Content = (Tenant, TraceId, Vec<u8>);

/// What the log says must come of it.
#[derive(Default)]
struct Expected {
    /// Spans in the log, by tenant.
    accepted: BTreeMap<Tenant, u64>,
    dead_lettered: BTreeMap<Tenant, u64>,
    /// Of records that were sent again within the late window.
    resent: BTreeMap<Tenant, u64>,
    /// Different spans of the other records.
    contents: BTreeSet<Content>,
}

/// Checks the sealed epochs of a run that ended with everything decided.
pub(crate) fn check_run(
    log: &[Record],
    sealed: &[SealedEpoch],
    shard: &Shard,
) -> Result<(), String> {
    if shard.n_open() > 0 {
        return Err(format!(
            "{} traces are still open at the end",
            shard.n_open()
        ));
    }
    let expected = expected(log);
    check_stored(log, sealed, &expected)?;
    check_red(log, &told(sealed, shard))?;
    let totals: BTreeMap<Tenant, Totals> = shard.sorted_totals().into_iter().collect();
    for (tenant, accepted) in &expected.accepted {
        let found = totals.get(tenant).copied().unwrap_or_default();
        let dead = expected.dead_lettered.get(tenant).copied().unwrap_or(0);
        let resent = expected.resent.get(tenant).copied().unwrap_or(0);
        let sum =
            found.stored + found.sampled_out + found.dead_lettered + found.duplicates + found.lost;
        if found.accepted != *accepted
            || sum != *accepted
            || found.dead_lettered != dead
            || found.lost != 0
            || found.duplicates < resent
        {
            return Err(format!(
                "{tenant}: {found:?}, the log has {accepted} spans, {dead} of them damaged, {resent} sent again"
            ));
        }
    }
    Ok(())
}

/// What the epochs of a run add to series, and what the shard has counted since.
pub(crate) fn told(sealed: &[SealedEpoch], shard: &Shard) -> Told {
    let open = shard.red().deltas();
    let epochs = sealed.iter().map(|epoch| &epoch.red).chain([&open]);
    let mut told = Told::default();
    for delta in epochs.flat_map(|red| &red.tenants) {
        for series in &delta.series {
            told.add(&delta.tenant, series);
        }
    }
    told
}

/// Every span that came, whatever became of its trace, counts once in its series: in number, in sum and in its bucket.
fn check_red(log: &[Record], told: &Told) -> Result<(), String> {
    let mut said = Said::default();
    red::say(&taken(log), &mut said);
    told.of(is_red).is_what(&said)
}

/// No span is stored twice while its trace is remembered, and every trace is decided once in that time.
fn check_stored(log: &[Record], sealed: &[SealedEpoch], expected: &Expected) -> Result<(), String> {
    let records: BTreeMap<Offset, &Record> =
        log.iter().map(|record| (record.offset, record)).collect();
    let mut stored: BTreeSet<Content> = BTreeSet::new();
    let mut n_stored: BTreeMap<Tenant, u64> = BTreeMap::new();
    for kept in sealed.iter().flat_map(|epoch| &epoch.kept) {
        let mut part: BTreeSet<Content> = BTreeSet::new();
        for at in kept.spans.iter() {
            let record = records
                .get(&at.offset)
                .ok_or("a kept span names no record")?;
            let found = span_at(&record.payload, at.place).map_err(|error| error.to_string())?;
            let span = found.view();
            if span.trace_id() != kept.id || record.header.tenant != kept.tenant {
                return Err(format!(
                    "a span of {} was kept as one of {}",
                    span.trace_id(),
                    kept.id
                ));
            }
            if !part.insert((kept.tenant.clone(), kept.id, span.bytes().to_vec())) {
                return Err(format!("trace {} has a span twice in one part", kept.id));
            }
            *n_stored.entry(kept.tenant.clone()).or_default() += 1;
        }
        stored.extend(part);
    }
    if !stored.is_subset(&expected.contents) {
        return Err("something is stored that nobody sent".to_owned());
    }
    let last = sealed.last().ok_or("no epoch was sealed")?;
    for (tenant, totals) in &last.totals {
        let found = n_stored.get(tenant).copied().unwrap_or(0);
        if totals.stored != found {
            return Err(format!(
                "{tenant}: {} spans are said to be stored, {found} are",
                totals.stored
            ));
        }
    }
    Ok(())
}

/// The records of spans that were not sent before, within the late window.
pub(crate) fn taken(log: &[Record]) -> Vec<&Record> {
    let all = with_resent(log).into_iter();
    all.filter_map(|(record, is_resent)| (!is_resent).then_some(record))
        .collect()
}

/// The records of spans, and whether each was sent before, within the late window.
fn with_resent(log: &[Record]) -> Vec<(&Record, bool)> {
    let mut clock = ShardClock::default();
    let mut late_window_ms = 300_000;
    let mut horizon_ms = 0;
    let mut seen: BTreeMap<(Tenant, u128, u16), u64> = BTreeMap::new();
    let mut records = Vec::new();
    for record in log {
        clock.step(record.appended_at);
        let now = clock.now.ms;
        horizon_ms = horizon_ms.max(now.saturating_sub(late_window_ms));
        let header = &record.header;
        match header.kind {
            Kind::Tick => {}
            Kind::Control => {
                let Ok(Control::Policy { revision, text }) = Control::decode(&record.payload)
                else {
                    continue;
                };
                let policy = Policy::parse(revision, text, 1).expect("the traffic's own policy");
                late_window_ms = policy.limits.late_window.as_millis() as u64;
            }
            Kind::Derived | Kind::RemoteWrite1 => unreachable!("the traffic sends spans alone"),
            Kind::Otlp => {
                let key = (header.tenant.clone(), header.request_hash.0, header.part);
                let first_ms = seen.get(&key);
                let is_resent = first_ms.is_some_and(|first_ms| *first_ms >= horizon_ms);
                records.push((record, is_resent));
                if !is_resent {
                    seen.insert(key, now);
                }
            }
        }
    }
    records
}

fn expected(log: &[Record]) -> Expected {
    let mut expected = Expected::default();
    let mut walker = TraceWalker::new();
    for (record, is_resent) in with_resent(log) {
        let tenant = &record.header.tenant;
        let n_items = u64::from(record.header.n_items);
        *expected.accepted.entry(tenant.clone()).or_default() += n_items;
        if is_resent {
            *expected.resent.entry(tenant.clone()).or_default() += n_items;
            continue;
        }
        let Ok(view) = walker.walk(&record.payload, &WalkLimits::trusted()) else {
            *expected.dead_lettered.entry(tenant.clone()).or_default() += n_items;
            continue;
        };
        let content = |span: telemetry::wire::SpanView<'_>| {
            (tenant.clone(), span.trace_id(), span.bytes().to_vec())
        };
        expected.contents.extend(view.spans().map(content));
    }
    expected
}
