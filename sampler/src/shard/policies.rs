//! The policies of a shard: the one in force, and those under which an open trace began.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Record;
use bus::machine::Stopped;
use telemetry::ShardTime;

use super::Shard;
use crate::control::{Control, ControlError};
use crate::policy::Policy;

/// The policy in a slot of the shard's.
pub(super) fn policy_in(policies: &[Option<Arc<Policy>>], slot: u16) -> &Arc<Policy> {
    let policy = policies.get(usize::from(slot)).and_then(Option::as_ref);
    policy.expect("a policy stays while it is in force or a trace began under it")
}

impl Shard {
    pub(super) fn policy(&self) -> &Arc<Policy> {
        self.policy_at(self.in_force)
    }

    pub(super) fn policy_at(&self, slot: u16) -> &Arc<Policy> {
        policy_in(&self.policies, slot)
    }

    /// A control record takes effect once the seconds that it closed are decided.
    pub(super) fn control(&mut self, record: &Record) -> Result<(), Stopped> {
        match Control::decode(&record.payload) {
            Ok(Control::Policy { revision, text }) if revision > self.revision() => {
                let policy = Policy::parse(revision, text, self.n_partitions)
                    .map_err(|error| Stopped(Box::new(error)))?;
                self.put_in_force(policy);
                Ok(())
            }
            Ok(Control::Policy { .. }) => Ok(()),
            Err(error @ ControlError::Unknown { .. }) => Err(Stopped(Box::new(error))),
            Err(error @ ControlError::Malformed { .. }) => {
                self.dead_letter(record, 0, error.to_string());
                Ok(())
            }
        }
    }

    pub(super) fn put_in_force(&mut self, policy: Policy) {
        let root_quiet = policy.limits.root_quiet;
        let changed = root_quiet != self.policy().limits.root_quiet;
        self.in_force = self.slot_for(Arc::new(policy));
        if changed {
            self.open.watch_quiet_again(root_quiet);
        }
    }

    pub(super) fn slot_for(&mut self, policy: Arc<Policy>) -> u16 {
        let slot = self
            .policies
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.policies.len());
        if slot == self.policies.len() {
            self.policies.push(None);
        }
        if let Some(free) = self.policies.get_mut(slot) {
            *free = Some(policy);
        }
        u16::try_from(slot).expect("fewer than 2^16 policies within decision_wait")
    }

    /// Policies that nothing needs, and buckets that say no more than one that is not there, are forgotten.
    pub(super) fn forget_policies(&mut self, now: ShardTime) {
        let in_use = self.open.policies_in_use();
        for (slot, policy) in (0u16..).zip(self.policies.iter_mut()) {
            if slot != self.in_force && in_use.binary_search(&slot).is_err() {
                *policy = None;
            }
        }
        let policies: BTreeMap<u64, &Arc<Policy>> = self
            .policies
            .iter()
            .flatten()
            .map(|p| (p.revision, p))
            .collect();
        self.buckets.retain(|key, bucket| {
            let rate = policies
                .get(&key.revision)
                .and_then(|policy| policy.rate_of(key));
            rate.is_some_and(|rate| !bucket.is_full(rate, now))
        });
    }
}
