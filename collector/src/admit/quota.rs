//! What a tenant may send in a second: a bucket each, filled evenly.

use std::collections::HashMap;
use std::time::{Duration, Instant as HostInstant};

use telemetry::Tenant;

use crate::answer::{QuotaOf, Refusal};

/// Tenants whose buckets are kept. Beyond it full buckets are forgotten: they say no more than one that is not there.
const BUCKETS_MAX: usize = 10_000;

/// The buckets of all tenants for one kind of items. A request is taken while its tenant's bucket is not empty and may leave it in debt, so that one larger than a second's
/// quota still comes through.
#[derive(Debug)]
pub(crate) struct Quotas {
    /// What is counted, and the setting that says how many may come.
    of: QuotaOf,
    /// 0: no limit.
    items_per_s: u64,
    buckets: HashMap<Tenant, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Never above one second's quota.
    tokens: f64,
    at: HostInstant,
}

impl Quotas {
    pub(crate) fn new(of: QuotaOf, items_per_s: u64) -> Self {
        Self {
            of,
            items_per_s,
            buckets: HashMap::new(),
        }
    }

    /// Takes `n_items` of a tenant's quota.
    ///
    /// # Errors
    /// [`Refusal::Quota`] while the tenant is in debt.
    pub(crate) fn take(
        &mut self,
        tenant: &Tenant,
        n_items: u64,
        now: HostInstant,
    ) -> Result<(), Refusal> {
        if self.items_per_s == 0 {
            return Ok(());
        }
        let full = self.items_per_s as f64;
        let filled = |bucket: &Bucket| {
            let since: Duration = now.saturating_duration_since(bucket.at);
            (bucket.tokens + since.as_secs_f64() * full).min(full)
        };
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(tenant) {
            self.buckets.retain(|_, bucket| filled(bucket) < full);
        }
        let tokens = self.buckets.get(tenant).map_or(full, filled);
        if tokens <= 0.0 {
            return Err(Refusal::Quota {
                of: self.of,
                items_per_s: self.items_per_s,
            });
        }
        let tokens = tokens - n_items as f64;
        self.buckets
            .insert(tenant.clone(), Bucket { tokens, at: now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use telemetry::Clock;

    use super::*;

    #[test]
    fn a_tenant_waits_out_its_debt_and_no_other_does() {
        let (a, b): (Tenant, Tenant) = ("a".parse().expect("a name"), "b".parse().expect("a name"));
        let start = Clock::host().monotonic();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut quotas = Quotas::new(QuotaOf::Spans, 100);
        for (tenant, n_items, ms, is_taken) in [
            (&a, 60, 0, true),
            (&a, 240, 0, true), // 40 were left: 200 in debt
            (&a, 1, 1_999, false),
            (&b, 1, 1_999, true),
            (&a, 1, 2_010, true),
            (&a, 1, 2_010, false),
            (&a, 100, 60_000, true),
            (&a, 1, 60_000, false),
        ] {
            let taken = quotas.take(tenant, n_items, at(ms));
            assert_eq!(taken.is_ok(), is_taken, "{tenant} at {ms} ms: {taken:?}");
        }
    }

    #[test]
    fn without_a_quota_everything_is_taken() {
        let mut quotas = Quotas::new(QuotaOf::Points, 0);
        let now = Clock::host().monotonic();
        for _ in 0..3 {
            assert_eq!(
                quotas.take(&Tenant::default_tenant(), u64::MAX, now),
                Ok(())
            );
        }
    }
}
