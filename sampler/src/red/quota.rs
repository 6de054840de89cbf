//! How much of an epoch's table each tenant has, so that one with too much takes nothing from the others.

use std::collections::BTreeMap;

use telemetry::Tenant;

/// Things of a table, by tenant. Asked only for what is not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Quota(BTreeMap<Tenant, usize>);

impl Quota {
    /// Counts one more of a tenant; false if it has `n_max` already.
    pub(super) fn take(&mut self, tenant: &Tenant, n_max: usize) -> bool {
        let Some(n) = self.0.get_mut(tenant) else {
            self.0.insert(tenant.clone(), 1);
            return true;
        };
        let fits = *n < n_max;
        *n += usize::from(fits);
        fits
    }
}
