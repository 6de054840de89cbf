//! Which blocks there are. In: what the block store lists and what is put. Out: the visible ones of a tenant; those that a merge replaced are hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blocks::{BlockName, CatalogEntry, ContentHash};
use telemetry::{RecordTime, Tenant};

use crate::block::Meta;
use crate::chunk::ChunkError;

/// A block and what is known of it without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBlock {
    pub name: BlockName,
    pub content: ContentHash,
    pub size_bytes: u64,
    pub meta: Meta,
}

impl KnownBlock {
    /// # Errors
    /// When the entry's meta is damaged or of another release.
    pub fn of(entry: CatalogEntry) -> Result<Self, ChunkError> {
        Ok(Self {
            meta: Meta::decode(&entry.meta)?,
            name: entry.name,
            content: entry.content,
            size_bytes: entry.size_bytes,
        })
    }

    /// Whether it has points in (from, to].
    #[must_use]
    pub fn overlaps(&self, from_unix_ms: i64, to_unix_ms: i64) -> bool {
        from_unix_ms < self.meta.time_max_unix_ms && self.meta.time_min_unix_ms <= to_unix_ms
    }

    /// Other content under a name that was taken: what it has is in the first one as well, so adding both would count twice.
    pub(crate) fn is_beside(&self) -> bool {
        self.name.id.contains('-')
    }
}

/// The blocks of all tenants.
#[derive(Debug, Default)]
pub struct Catalog {
    visible: BTreeMap<Tenant, BTreeMap<String, Arc<KnownBlock>>>,
    hidden: BTreeMap<BlockName, Arc<KnownBlock>>,
    /// Other content under a name that was taken: kept, and not read.
    beside: BTreeMap<BlockName, Arc<KnownBlock>>,
    /// Ids that visible merges list as their inputs.
    listed: BTreeMap<Tenant, BTreeSet<String>>,
    /// By partition of `points`: record time of the newest seal.
    progress: BTreeMap<u32, RecordTime>,
}

impl Catalog {
    /// Makes a block known; a merge hides what it lists.
    pub fn insert(&mut self, block: KnownBlock) {
        let block = Arc::new(block);
        if block.is_beside() {
            self.beside.insert(block.name.clone(), block);
            return;
        }
        let tenant = block.name.tenant.clone();
        let progress = self.progress.entry(block.meta.partition).or_default();
        *progress = (*progress).max(block.meta.sealed_last);
        let listed = self.listed.entry(tenant.clone()).or_default();
        listed.extend(block.meta.inputs.iter().cloned());
        if listed.contains(&block.name.id) {
            self.hidden.insert(block.name.clone(), block);
            return;
        }
        let visible = self.visible.entry(tenant).or_default();
        for input in &block.meta.inputs {
            if let Some(input) = visible.remove(input) {
                self.hidden.insert(input.name.clone(), input);
            }
        }
        visible.insert(block.name.id.clone(), block);
    }

    /// Forgets a block; what it was, if it was known.
    pub fn remove(&mut self, name: &BlockName) -> Option<Arc<KnownBlock>> {
        let hidden = self.hidden.remove(name);
        let visible = self.visible.get_mut(&name.tenant);
        let removed = hidden.or_else(|| visible?.remove(&name.id));
        removed.or_else(|| self.beside.remove(name))
    }

    #[must_use]
    pub fn has(&self, name: &BlockName) -> bool {
        let visible = self.visible.get(&name.tenant);
        visible.is_some_and(|all| all.contains_key(&name.id)) || self.hidden.contains_key(name)
    }

    /// Whether it is there, or went into a merge that is.
    #[must_use]
    pub fn is_listed(&self, name: &BlockName) -> bool {
        let listed = self.listed.get(&name.tenant);
        listed.is_some_and(|ids| ids.contains(&name.id)) || self.has(name)
    }

    /// What is read of a tenant, older offsets first.
    #[must_use]
    pub fn of_tenant(&self, tenant: &Tenant) -> Vec<Arc<KnownBlock>> {
        let visible = self
            .visible
            .get(tenant)
            .into_iter()
            .flat_map(BTreeMap::values);
        let mut all: Vec<Arc<KnownBlock>> = visible.cloned().collect();
        all.sort_by_key(|block| (block.meta.partition, block.meta.end_offset));
        all
    }

    /// What is read of all tenants, in order of name.
    pub fn visible(&self) -> impl Iterator<Item = &Arc<KnownBlock>> {
        self.visible.values().flat_map(BTreeMap::values)
    }

    /// What a disagreement left: kept until it is old.
    pub fn beside(&self) -> impl Iterator<Item = &Arc<KnownBlock>> {
        self.beside.values()
    }

    /// What merges replaced.
    pub fn hidden(&self) -> impl Iterator<Item = &Arc<KnownBlock>> {
        self.hidden.values()
    }

    /// Ids that are taken by blocks that went into a merge.
    pub fn listed(&self, tenant: &Tenant) -> impl Iterator<Item = &str> {
        let listed = self.listed.get(tenant).into_iter().flatten();
        listed.map(String::as_str)
    }

    /// Record time that the seals of a partition have come to.
    #[must_use]
    pub fn progress(&self, partition: u32) -> RecordTime {
        self.progress.get(&partition).copied().unwrap_or_default()
    }

    /// The block of a partition that ends last.
    #[must_use]
    pub fn newest_of(&self, partition: u32) -> Option<&Arc<KnownBlock>> {
        let of_partition = self
            .visible()
            .filter(|block| block.meta.partition == partition);
        of_partition.max_by_key(|block| block.meta.end_offset)
    }
}

#[cfg(test)]
mod tests {
    use blocks::BlockKind;

    use super::*;

    fn block(id: &str, end_offset: u64, inputs: &[&str]) -> KnownBlock {
        KnownBlock {
            name: BlockName {
                kind: BlockKind::Metrics,
                tenant: Tenant::default_tenant(),
                id: id.to_owned(),
            },
            content: ContentHash(0),
            size_bytes: 1,
            meta: Meta {
                end_offset,
                inputs: inputs.iter().map(|id| (*id).to_owned()).collect(),
                ..Meta::default()
            },
        }
    }

    fn ids<'a>(blocks: impl IntoIterator<Item = &'a Arc<KnownBlock>>) -> Vec<&'a str> {
        blocks.into_iter().map(|b| b.name.id.as_str()).collect()
    }

    #[test]
    fn a_merge_hides_its_inputs_whichever_is_known_first() {
        let mut catalog = Catalog::default();
        catalog.insert(block("s.2", 20, &[]));
        catalog.insert(block("s.1", 10, &[]));
        catalog.insert(block("m1", 20, &["s.1", "s.2", "s.3"]));
        catalog.insert(block("s.3", 15, &[]));
        catalog.insert(block("s.4", 5, &[]));
        catalog.insert(block("s.4-00", 5, &[]));
        let tenant = Tenant::default_tenant();
        assert_eq!(ids(&catalog.of_tenant(&tenant)), ["s.4", "m1"]);
        assert_eq!(ids(catalog.hidden()), ["s.1", "s.2", "s.3"]);
        assert_eq!(ids(catalog.beside()), ["s.4-00"]);
        assert_eq!(catalog.newest_of(0).map(|b| b.meta.end_offset), Some(20));
        let gone = block("s.3", 15, &[]).name;
        assert!(catalog.remove(&gone).is_some());
        assert!(catalog.is_listed(&gone) && !catalog.has(&gone));
    }
}
