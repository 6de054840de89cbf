//! What must be there in the end: every acknowledged span once, accounts that add up, and no ledger that nobody needs.

use std::collections::BTreeSet;

use blocks::{BlockStore, Blocks};
use telemetry::wire::{TraceWalker, WalkLimits};

use super::world::{Life, N_PARTITIONS, World};

impl World {
    pub(super) async fn check_found(&self, blocks: &Blocks) -> Result<(), String> {
        let store = self.open_store(blocks).await;
        let mut walker = TraceWalker::new();
        for (id, acked) in &self.acked {
            let trace = store
                .find(&self.tenant, *id)
                .await
                .map_err(|error| error.to_string())?;
            let Some(trace) = trace else {
                return Err(format!(
                    "trace {id} with {} acknowledged spans is not found",
                    acked.len()
                ));
            };
            let view = walker
                .walk(&trace.traces_data, &WalkLimits::trusted())
                .map_err(|error| error.to_string())?;
            let names: Vec<String> = view.spans().map(|span| span.name().to_owned()).collect();
            let found: BTreeSet<String> = names.iter().cloned().collect();
            if found.len() != names.len() {
                return Err(format!("trace {id} has a span twice"));
            }
            if let Some(lost) = acked.difference(&found).next() {
                return Err(format!(
                    "{lost} of trace {id} was acknowledged and is not found"
                ));
            }
            if let Some(invented) = found.difference(&self.sent).next() {
                return Err(format!("{invented} of trace {id} was never sent"));
            }
        }
        Ok(())
    }

    pub(super) fn check_accounts(&self, metrics: &[sampler::Metrics]) -> Result<(), String> {
        let n_acked: u64 = self.acked.values().map(|spans| spans.len() as u64).sum();
        let of = |state: &str| read(metrics, &format!("state=\"{state}\""));
        let [accepted, in_flight, lost] = ["accepted", "in_flight", "lost"].map(of);
        let settled: u64 = ["stored", "sampled_out", "dead_lettered", "duplicates"]
            .map(of)
            .iter()
            .sum();
        if accepted < n_acked || in_flight != 0 || lost != 0 || settled != accepted {
            return Err(format!(
                "accepted {accepted} of {n_acked} acknowledged, settled {settled}, in flight {in_flight}, lost {lost}"
            ));
        }
        Ok(())
    }

    /// Ledger entries that no chain needs are deleted.
    pub(super) async fn check_ledgers(&self, blocks: &Blocks) -> Result<(), String> {
        for partition in 0..N_PARTITIONS {
            let entries = blocks
                .kv_list(&format!("ledger/spans/{partition}"))
                .await
                .map_err(|error| error.to_string())?;
            // 120 s are remembered, an epoch has 10 s, and a zombie may have left some
            if entries.len() > 40 {
                return Err(format!(
                    "{} ledger entries are left in partition {partition}",
                    entries.len()
                ));
            }
        }
        Ok(())
    }
}

impl Life {
    /// Two owners must never seal different epochs under one name.
    pub(super) fn violations(&self) -> Result<(), String> {
        match read(&self.metrics, "determinism_violations") {
            0 => Ok(()),
            n => Err(format!("{n} epochs have two contents")),
        }
    }
}

/// The sum of a number over the samplers' metrics, by a part of its line.
pub(super) fn read(metrics: &[sampler::Metrics], line_has: &str) -> u64 {
    let mut sum = 0;
    for metrics in metrics {
        let mut registry = prometheus_client::registry::Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("a String takes all text");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains(line_has));
        sum += lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>();
    }
    sum
}
