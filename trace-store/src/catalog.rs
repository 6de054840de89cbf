//! Which blocks are visible. In: what the block store lists, writes and deletes. Out: the blocks that a reader must look at.
//!
//! A block that a visible one lists as its input is hidden at once, so no row is seen twice between a merge and the deletion of what went into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use blocks::{BlockName, CatalogEntry, ContentHash};
use telemetry::{ShardTime, Tenant};

use crate::block::input::DecodeError;
use crate::block::meta::Meta;

/// A block as a reader knows it before it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownBlock {
    pub(crate) name: BlockName,
    pub(crate) content: ContentHash,
    pub(crate) size_bytes: u64,
    pub(crate) meta: Meta,
}

impl KnownBlock {
    pub(crate) fn of(entry: CatalogEntry) -> Result<Self, DecodeError> {
        let meta = Meta::decode(&entry.meta)?;
        Ok(Self {
            name: entry.name,
            content: entry.content,
            size_bytes: entry.size_bytes,
            meta,
        })
    }

    /// Whether a trace in it may have rows elsewhere: parts have, and so has other content of one name.
    pub(crate) fn has_parts_elsewhere(&self) -> bool {
        self.meta.n_parts > 0 || self.name.id.contains('-')
    }
}

#[derive(Debug, Default)]
pub(crate) struct Catalog {
    tenants: BTreeMap<Tenant, TenantBlocks>,
    /// The newest shard time that any block of a partition was sealed at.
    progress: BTreeMap<u32, ShardTime>,
}

#[derive(Debug, Default)]
struct TenantBlocks {
    visible: BTreeMap<String, Arc<KnownBlock>>,
    hidden: BTreeMap<String, Arc<KnownBlock>>,
    /// Ids that visible blocks list, and how many do.
    listed: BTreeMap<String, u32>,
}

impl Catalog {
    pub(crate) fn insert(&mut self, block: KnownBlock) {
        let progress = self.progress.entry(block.meta.partition).or_default();
        *progress = (*progress).max(block.meta.sealed_last);
        let tenant = self.tenants.entry(block.name.tenant.clone()).or_default();
        let (id, block) = (block.name.id.clone(), Arc::new(block));
        if tenant.listed.contains_key(&id) {
            tenant.hidden.insert(id, block);
            return;
        }
        for input in &block.meta.inputs {
            *tenant.listed.entry(input.clone()).or_default() += 1;
            if let Some(hidden) = tenant.visible.remove(input) {
                tenant.unlist(&hidden);
                tenant.hidden.insert(input.clone(), hidden);
            }
        }
        if let Some(replaced) = tenant.visible.insert(id, Arc::clone(&block)) {
            tenant.unlist(&replaced);
        }
    }

    /// Takes a block out, and gives back what was known of it.
    pub(crate) fn remove(&mut self, name: &BlockName) -> Option<Arc<KnownBlock>> {
        let tenant = self.tenants.get_mut(&name.tenant)?;
        if let Some(removed) = tenant.visible.remove(&name.id) {
            tenant.unlist(&removed);
            return Some(removed);
        }
        tenant.hidden.remove(&name.id)
    }

    /// Whether a visible block has taken this one in, so that what it held is not wanted again.
    pub(crate) fn is_listed(&self, name: &BlockName) -> bool {
        self.tenants
            .get(&name.tenant)
            .is_some_and(|tenant| tenant.listed.contains_key(&name.id))
    }

    pub(crate) fn has(&self, name: &BlockName) -> bool {
        self.tenants
            .get(&name.tenant)
            .is_some_and(|tenant| tenant.visible.contains_key(&name.id))
    }

    /// A visible block.
    pub(crate) fn get(&self, name: &BlockName) -> Option<Arc<KnownBlock>> {
        self.tenants
            .get(&name.tenant)?
            .visible
            .get(&name.id)
            .cloned()
    }

    /// The visible blocks of a tenant, ordered by id.
    pub(crate) fn of_tenant(&self, tenant: &Tenant) -> Vec<Arc<KnownBlock>> {
        self.tenants.get(tenant).map_or_else(Vec::new, |tenant| {
            tenant.visible.values().cloned().collect()
        })
    }

    /// Every visible block, by tenant and id.
    pub(crate) fn visible(&self) -> impl Iterator<Item = &Arc<KnownBlock>> {
        self.tenants
            .values()
            .flat_map(|tenant| tenant.visible.values())
    }

    pub(crate) fn hidden(&self) -> impl Iterator<Item = &Arc<KnownBlock>> {
        self.tenants
            .values()
            .flat_map(|tenant| tenant.hidden.values())
    }

    /// Ids that the visible blocks of a tenant list.
    pub(crate) fn listed(&self, tenant: &Tenant) -> impl Iterator<Item = &str> {
        self.tenants
            .get(tenant)
            .into_iter()
            .flat_map(|tenant| tenant.listed.keys().map(String::as_str))
    }

    pub(crate) fn progress(&self, partition: u32) -> ShardTime {
        self.progress.get(&partition).copied().unwrap_or_default()
    }
}

impl TenantBlocks {
    /// Forgets what a block lists, once it is not visible itself: whoever took it in lists that, too.
    fn unlist(&mut self, block: &KnownBlock) {
        for input in &block.meta.inputs {
            if let Some(count) = self.listed.get_mut(input) {
                *count -= 1;
                if *count == 0 {
                    self.listed.remove(input);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use blocks::BlockKind;

    use super::*;

    fn block(id: &str, inputs: &[&str]) -> KnownBlock {
        let name = BlockName {
            kind: BlockKind::Traces,
            tenant: Tenant::default_tenant(),
            id: id.into(),
        };
        let meta = Meta {
            inputs: inputs.iter().map(|&id| id.into()).collect(),
            ..Meta::default()
        };
        KnownBlock {
            name,
            content: ContentHash(0),
            size_bytes: 0,
            meta,
        }
    }

    /// Inserts in the order of `ids`, each as `OUTPUT=INPUT,INPUT` or `ID`, and tells what is visible.
    fn visible_after(ids: &[&str]) -> Vec<String> {
        let mut catalog = Catalog::default();
        for text in ids {
            let (id, inputs) = text.split_once('=').unwrap_or((text, ""));
            catalog.insert(block(
                id,
                &inputs
                    .split(',')
                    .filter(|id| !id.is_empty())
                    .collect::<Vec<_>>(),
            ));
        }
        catalog
            .visible()
            .map(|block| block.name.id.clone())
            .collect()
    }

    #[test]
    fn what_went_into_a_visible_block_is_hidden_in_any_order() {
        assert_eq!(visible_after(&["a", "b", "c", "m=a,b"]), ["c", "m"]);
        assert_eq!(visible_after(&["m=a,b", "b", "c", "a"]), ["c", "m"]);
        assert_eq!(visible_after(&["a", "m=a,b", "n=a,b,m", "b"]), ["n"]);
        assert_eq!(visible_after(&["n=a,b,m", "m=a,b", "b"]), ["n"]);
    }

    #[test]
    fn what_expires_lets_its_inputs_go() {
        let mut catalog = Catalog::default();
        let merged = block("m", &["a"]);
        catalog.insert(merged.clone());
        assert!(catalog.is_listed(&block("a", &[]).name));
        catalog.remove(&merged.name);
        assert!(!catalog.is_listed(&block("a", &[]).name));
    }
}
