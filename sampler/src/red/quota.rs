//! How much of an epoch's table each tenant has, so that one with too much takes nothing from the others.

use std::collections::BTreeMap;

use telemetry::Tenant;

use super::{SERIES_OF_SERVICE_MAX, SERIES_OF_TENANT_MAX};

/// How many series of spans an epoch counts by name, as a policy says: at most what is the default of a tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesMax {
    /// `metrics.red.series_max`.
    pub of_tenant: u32,
    /// `metrics.red.span_names_max`: of one service in one version and environment. A name has a series for each kind and status.
    pub of_service: u32,
}

impl Default for SeriesMax {
    fn default() -> Self {
        Self {
            of_tenant: SERIES_OF_TENANT_MAX,
            of_service: SERIES_OF_SERVICE_MAX,
        }
    }
}

impl SeriesMax {
    /// Whether memory is bounded by it, and something is counted by name.
    #[must_use]
    pub fn is_sound(self) -> bool {
        let bounds = 1..=SERIES_OF_TENANT_MAX;
        bounds.contains(&self.of_tenant) && bounds.contains(&self.of_service)
    }
}

/// Things of a table, by tenant. Asked only for what is not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Quota(BTreeMap<Tenant, u32>);

impl Quota {
    /// Counts one more of a tenant; false if it has `n_max` already.
    pub(super) fn take(&mut self, tenant: &Tenant, n_max: u32) -> bool {
        let Some(n) = self.0.get_mut(tenant) else {
            self.0.insert(tenant.clone(), 1);
            return true;
        };
        let fits = *n < n_max;
        *n += u32::from(fits);
        fits
    }
}
