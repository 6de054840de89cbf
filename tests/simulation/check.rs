//! What must be true of a whole run, worked out from the log by another way than the shard's.

use std::collections::{BTreeMap, BTreeSet};

use bus::{Kind, Offset, Record};
use sampler::control::Control;
use sampler::policy::Policy;
use sampler::policy::threshold::{OtState, UNIT};
use sampler::red::SPAN_DURATION;
use sampler::shard::Totals;
use sampler::{SealedEpoch, Shard};
use telemetry::derived::DeltaValue;
use telemetry::wire::{TraceWalker, WalkLimits, span_at};
use telemetry::{ShardClock, Tenant, TraceId};

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
    /// Spans of the other records, each as often as it came, by tenant and service.
    counted: BTreeMap<(Tenant, String), f64>,
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
    check_red(sealed, shard, &expected)?;
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

/// Every span that came, whatever became of its trace, counts once in the series of its service.
fn check_red(sealed: &[SealedEpoch], shard: &Shard, expected: &Expected) -> Result<(), String> {
    let mut counted: BTreeMap<(Tenant, String), f64> = BTreeMap::new();
    let open = shard.red().deltas();
    for delta in sealed
        .iter()
        .flat_map(|epoch| &epoch.red.tenants)
        .chain(&open.tenants)
    {
        for series in delta
            .series
            .iter()
            .filter(|series| series.name == SPAN_DURATION)
        {
            let service = series
                .labels
                .iter()
                .find(|(name, _)| name == "service_name");
            let service = service.map(|(_, value)| value.clone()).unwrap_or_default();
            let counts = series.windows.iter().map(|window| match &window.value {
                DeltaValue::Histogram(histogram) => histogram.count(),
                DeltaValue::Count(_) | DeltaValue::Seen => f64::NAN,
            });
            *counted.entry((delta.tenant.clone(), service)).or_default() += counts.sum::<f64>();
        }
    }
    if counted != expected.counted {
        return Err(format!(
            "spans counted: {counted:?}, sent: {:?}",
            expected.counted
        ));
    }
    Ok(())
}

/// How many spans a span stands for.
pub(crate) fn weight(trace_state: &str) -> f64 {
    let threshold = OtState::parse(trace_state).threshold.unwrap_or(0);
    UNIT as f64 / (UNIT - threshold) as f64
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

fn expected(log: &[Record]) -> Expected {
    let mut expected = Expected::default();
    let mut clock = ShardClock::default();
    let mut late_window_ms = 300_000;
    let mut horizon_ms = 0;
    let mut seen: BTreeMap<(Tenant, u128, u16), u64> = BTreeMap::new();
    let mut walker = TraceWalker::new();
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
                let n_items = u64::from(header.n_items);
                *expected.accepted.entry(header.tenant.clone()).or_default() += n_items;
                let key = (header.tenant.clone(), header.request_hash.0, header.part);
                if seen
                    .get(&key)
                    .is_some_and(|first_ms| *first_ms >= horizon_ms)
                {
                    *expected.resent.entry(header.tenant.clone()).or_default() += n_items;
                    continue;
                }
                seen.insert(key, now);
                match walker.walk(&record.payload, &WalkLimits::trusted()) {
                    Ok(view) => {
                        let content = |span: telemetry::wire::SpanView<'_>| {
                            (
                                header.tenant.clone(),
                                span.trace_id(),
                                span.bytes().to_vec(),
                            )
                        };
                        expected.contents.extend(view.spans().map(content));
                        for span in view.spans() {
                            let service =
                                span.resource().service_name().unwrap_or("unknown_service");
                            let key = (header.tenant.clone(), service.to_owned());
                            *expected.counted.entry(key).or_default() += weight(span.trace_state());
                        }
                    }
                    Err(_) => {
                        *expected
                            .dead_lettered
                            .entry(header.tenant.clone())
                            .or_default() += n_items
                    }
                }
            }
        }
    }
    expected
}
