//! Folding: what a record of spans adds to a shard, span by span.

use bus::Record;
use service_map::edge::Role;
use telemetry::ShardTime;
use telemetry::wire::{SpanView, StatusCode};
use xxhash_rust::xxh3::xxh3_64;

use super::epoch::DeadLetter;
use super::policies::policy_in;
use super::read::read;
use super::trace::{Identity, SpanRef, id_tag};
use super::{Settled, Shard, tenant_in};

impl Shard {
    pub(super) fn dead_letter(&mut self, record: &Record, n_spans: u32, reason: String) {
        let number = self.tenant_number(&record.header.tenant);
        let totals = self.totals(number);
        totals.accepted += u64::from(n_spans);
        totals.dead_lettered += u64::from(n_spans);
        let (offset, tenant) = (record.offset, record.header.tenant.clone());
        self.epoch.dead_letters.push(DeadLetter {
            offset,
            tenant,
            n_spans,
            reason,
        });
    }

    /// Takes a record of spans: a re-sent one is counted, an unreadable one becomes a dead letter, any other is folded span by span.
    pub(super) fn take(&mut self, record: &Record) {
        let tenant = self.tenant_number(&record.header.tenant);
        if !self.ledger.first_seen(&record.header, record.offset) {
            let n_items = u64::from(record.header.n_items);
            let totals = self.totals(tenant);
            totals.accepted += n_items;
            totals.duplicates += n_items;
            return;
        }
        let mut walker = self.walker.take().unwrap_or_default();
        match read(&mut walker, &record.payload) {
            Ok(view) => {
                let rejected = view.rejected();
                if rejected.n_spans > 0 {
                    self.dead_letter(record, rejected.n_spans, rejected.reason.clone());
                }
                self.totals(tenant).accepted += view.n_spans() as u64;
                let now = self.ledger.now();
                self.red.begin_record();
                let (t, historic) = (record.appended_at, record.header.historic);
                // apart from folding: both look at memory of their own, which stays near while one of them goes on
                for span in view.spans() {
                    self.red.observe(&record.header.tenant, &span, t, historic);
                }
                for span in view.spans() {
                    self.fold(&span, record, tenant, now);
                }
            }
            Err(reason) => self.dead_letter(record, record.header.n_items, reason),
        }
        self.walker = Some(walker);
    }

    fn fold(&mut self, span: &SpanView<'_>, record: &Record, tenant: u32, now: ShardTime) {
        let id = span.trace_id();
        if let Some(slot) = self.open.find(tenant, id) {
            return self.add(slot, span, record, now);
        }
        let at = SpanRef {
            offset: record.offset,
            place: span.place(),
        };
        let decided = self.decisions.find(tenant, id);
        if decided.is_some() && Role::of(span.kind()).is_some() {
            let header = &record.header;
            self.epoch.n_late.ends += 1;
            self.red
                .count_late(&header.tenant, span, record.appended_at, header.historic);
        }
        match decided {
            Some(Some(sampling)) => self
                .epoch
                .add_late(tenant, id, sampling, at, identity(span)),
            Some(None) => {
                self.epoch.n_late.dropped += 1;
                self.totals(tenant).sampled_out += 1;
            }
            None => {
                let slot = self.open.begin(tenant, id, now, self.in_force);
                self.add(slot, span, record, now);
            }
        }
    }

    /// Adds a span to an open trace and settles the trace if that fills it.
    fn add(&mut self, slot: u32, span: &SpanView<'_>, record: &Record, now: ShardTime) {
        self.add_folded(slot, span, record, now);
        let limits = self.policy().limits;
        let trace = self.open.get(slot);
        if trace.n_spans >= limits.trace_spans_max {
            self.open.settle(slot, Settled::SpanLimit);
        } else if u64::from(trace.bytes) >= limits.trace_bytes_max.min(u64::from(u32::MAX)) {
            self.open.settle(slot, Settled::ByteLimit);
        }
    }

    /// Adds a span to an open trace, as it is added again after a take-over.
    pub(super) fn add_folded(
        &mut self,
        slot: u32,
        span: &SpanView<'_>,
        record: &Record,
        now: ShardTime,
    ) {
        let place = span.place();
        let at = SpanRef {
            offset: record.offset,
            place,
        };
        self.open.push(slot, at, identity(span));
        let (t, historic) = (record.appended_at, record.header.historic);
        self.open.push_end(slot, span, t, historic);
        let root_quiet = self.policy().limits.root_quiet;
        let trace = self.open.get_mut(slot);
        let policy = policy_in(&self.policies, trace.policy);
        let rules = policy.rules_of(tenant_in(&self.tenants, trace.tenant));
        let is_root = !trace.has_root && span.parent_span_id().is_none();
        rules.fold(&mut trace.bits, &mut trace.extras, span, is_root);
        trace.last_after_ms = u32::try_from(now.ms - trace.first_ms).unwrap_or(u32::MAX);
        trace.bytes = trace.bytes.saturating_add(place.len);
        trace.start_min_unix_ns = trace.start_min_unix_ns.min(span.start_unix_ns());
        trace.end_max_unix_ns = trace.end_max_unix_ns.max(span.end_unix_ns());
        trace.error_count += u32::from(span.status_code() == StatusCode::Error);
        if is_root {
            trace.has_root = true;
            self.open.watch_quiet(slot, root_quiet);
        }
    }
}

fn identity(span: &SpanView<'_>) -> Identity {
    let is_end = Role::of(span.kind()).is_some();
    Identity::new(id_tag(span.span_id()), xxh3_64(span.bytes()), is_end)
}
