//! Storing what was sealed: a block a tenant, visible at once, in the same step in which memory lets it go.

use std::sync::Arc;

use blocks::{BlockKind, BlockName, BlockStore, BlocksError, Put};
use telemetry::Tenant;

use super::{MetricsStore, WriteError, listed};
use crate::block::read::leave_the_loop;
use crate::block::{BlockBuilder, BuildError, Built, Meta};
use crate::catalog::KnownBlock;
use crate::chunk::Effort;
use crate::live::LivePartition;
use crate::machine::SealedHead;
use crate::row::Exemplar;

impl MetricsStore {
    /// Stores a sealed head. Durable and visible on return. The same again changes nothing, also after it was merged.
    ///
    /// # Errors
    /// When a block is too large, or the block store refuses.
    pub(crate) async fn write(
        &self,
        sealed: &Arc<SealedHead>,
        live: &LivePartition,
    ) -> Result<(), WriteError> {
        let begun = self.inner.clock.monotonic();
        let tenants: Vec<Tenant> = sealed.head.tenants().map(|(t, _)| t.clone()).collect();
        let mut known = Vec::new();
        for tenant in tenants {
            let name = BlockName {
                kind: BlockKind::Metrics,
                tenant: tenant.clone(),
                id: seal_id(sealed),
            };
            if self.inner.catalog.read().is_listed(&name) {
                continue;
            }
            let built = {
                let sealed = Arc::clone(sealed);
                leave_the_loop(move || build(&sealed, &tenant)).await??
            };
            let meta = Meta {
                level: 0,
                partition: sealed.of.partition.0,
                first_offset: sealed.first_offset.0,
                end_offset: sealed.end_offset.0,
                sealed_first: sealed.record_time,
                sealed_last: sealed.record_time,
                written_at_unix_ms: self.inner.clock.wall().unix_ms,
                applied: sealed.applied.clone(),
                ..built.meta.clone()
            };
            known.extend(self.put(name, Built { meta, ..built }).await?);
        }
        {
            // Under one lock: a query sees these points in memory or in blocks, never in both nor in neither.
            let mut catalog = self.inner.catalog.write();
            for block in known {
                catalog.insert(block);
            }
            live.stored(sealed);
        }
        let took = begun.elapsed().as_secs_f64();
        self.inner.metrics.seal_seconds.observe(took);
        Ok(())
    }

    /// Puts a block; it is not visible yet. None if it is known already.
    pub(crate) async fn put(
        &self,
        name: BlockName,
        built: Built,
    ) -> Result<Option<KnownBlock>, BlocksError> {
        let Built {
            body,
            content,
            meta,
        } = built;
        let size_bytes = body.len() as u64;
        let put = self
            .inner
            .blocks
            .put(&name, content, meta.encode(), body)
            .await?;
        match put {
            Put::New => {
                self.inner.metrics.samples.inc_by(meta.n_points);
                self.inner.metrics.bytes.inc_by(size_bytes);
                Ok(Some(KnownBlock {
                    name,
                    content,
                    size_bytes,
                    meta,
                }))
            }
            // It is there, but this store may not know it: its put failed after the effect, or somebody else's came first.
            Put::Same => self.look_up(&name).await,
            Put::Beside(beside) => {
                self.inner.metrics.determinism_violations.inc();
                tracing::error!(
                    code = "TW6003",
                    ?beside,
                    "two owners made different blocks under one name; the first is read, both are kept"
                );
                self.look_up(&name).await
            }
        }
    }

    /// A block as the block store lists it, if it is not known here.
    async fn look_up(&self, name: &BlockName) -> Result<Option<KnownBlock>, BlocksError> {
        if self.inner.catalog.read().has(name) {
            return Ok(None);
        }
        let mut known = listed(&self.inner.blocks).await?.into_iter();
        Ok(known.find(|block| block.name == *name))
    }
}

fn seal_id(sealed: &SealedHead) -> String {
    format!("s.{:05}.{:020}", sealed.of.partition.0, sealed.end_offset.0)
}

fn build(sealed: &SealedHead, tenant: &Tenant) -> Result<Built, BuildError> {
    let mut builder = BlockBuilder::new(Effort::Quick);
    let Some(head) = sealed.head.get(tenant) else {
        return builder.finish();
    };
    let series = head.series();
    let mut numbers = vec![0u32; series.len()];
    for (id, row) in head.rows() {
        let number = builder.push(series.labels(id), &row);
        if let Some(slot) = numbers.get_mut(id.0 as usize) {
            *slot = number;
        }
    }
    for exemplar in head.exemplars() {
        let series = numbers.get(exemplar.series.0 as usize).copied();
        builder.push_exemplar(Exemplar {
            series: series.unwrap_or_default(),
            unix_ms: exemplar.unix_ms,
            value: exemplar.value,
            labels: exemplar.labels.clone(),
        });
    }
    for (metric, metadata) in head.metadata() {
        builder.put_metadata(metric, metadata);
    }
    builder.finish()
}
