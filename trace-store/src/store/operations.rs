//! Services and operations: the union of the names of all visible blocks.

use std::collections::BTreeSet;
use std::sync::Arc;

use telemetry::Tenant;
use telemetry::wire::SpanKind;

use crate::block::names::{NamedOperation, Names};
use crate::block::read::ReadError;
use crate::{Operation, TraceStore};

impl TraceStore {
    /// Names of the services that have spans, sorted.
    ///
    /// # Errors
    /// Never for a damaged block, which is passed by and told; when the block store is unavailable.
    pub async fn services(&self, tenant: &Tenant) -> Result<Vec<String>, ReadError> {
        let mut services = BTreeSet::new();
        self.each_names(tenant, |names| {
            services.extend(
                names
                    .operations()
                    .iter()
                    .map(|operation| Arc::clone(&operation.service)),
            )
        })
        .await?;
        Ok(services.iter().map(ToString::to_string).collect())
    }

    /// Operations of a service, or of all, of a kind, or of all: sorted by name, then kind.
    ///
    /// # Errors
    /// As [`TraceStore::services`].
    pub async fn operations(
        &self,
        tenant: &Tenant,
        service: Option<&str>,
        kind: Option<SpanKind>,
    ) -> Result<Vec<Operation>, ReadError> {
        let mut found = BTreeSet::new();
        let wanted = |operation: &&NamedOperation| {
            service.is_none_or(|service| *service == *operation.service)
                && kind.is_none_or(|kind| kind == SpanKind::from_number(operation.kind.into()))
        };
        self.each_names(tenant, |names| {
            found.extend(
                names
                    .operations()
                    .iter()
                    .filter(wanted)
                    .map(|operation| (Arc::clone(&operation.name), operation.kind)),
            );
        })
        .await?;
        Ok(found
            .iter()
            .map(|(name, kind)| Operation {
                name: name.to_string(),
                kind: SpanKind::from_number((*kind).into()),
            })
            .collect())
    }

    async fn each_names(
        &self,
        tenant: &Tenant,
        mut each: impl FnMut(&Names),
    ) -> Result<(), ReadError> {
        let blocks = self.inner.catalog.read().of_tenant(tenant);
        for block in blocks {
            match self.inner.reader.gist(&block.name, block.size_bytes).await {
                Ok(gist) => each(&gist.names),
                Err(error) if error.is_gone() => {}
                Err(error) if error.is_damage() => self.told_unreadable(&block.name, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
