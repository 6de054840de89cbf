//! Layouts that stay where they were: those of the last answers in memory, and of whole maps also in the block store, for 30 days
//! (docs/formats/map-spots.md).

mod stored;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use blocks::{BlockStore, Blocks};
use bytes::Bytes;
use moka::sync::Cache;
use service_map::layout::{Layout, Sketch, Spots, lay_out};
use telemetry::{Clock, Tenant};
use xxhash_rust::xxh3::Xxh3Default;

use crate::Metrics;
use crate::refusal::Refusal;
use crate::work::off_thread;
use stored::{Stored, key_of};

/// Layouts in memory.
const LAYOUTS_MAX: u64 = 64;
/// Where spots are in the small metadata of the block store.
const SCOPE: &str = "map-spots";

/// Whose map, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) tenant: Tenant,
    /// By what entities are put together.
    pub(crate) group: &'static str,
    /// Clusters that are open; empty if none is. Such a map begins where the whole one stands.
    pub(crate) expand: String,
    /// What is left out; empty if nothing is. Such a map is small and stands by itself.
    pub(crate) filter: String,
}

impl View {
    fn is_whole(&self) -> bool {
        self.expand.is_empty() && self.filter.is_empty()
    }
}

/// The last layout of a view.
#[derive(Debug)]
struct Shelved {
    /// Of nodes and edges, whatever they weigh.
    structure: u64,
    layout: Layout,
}

pub(crate) struct Shelf {
    blocks: Blocks,
    clock: Clock,
    metrics: Metrics,
    layouts: Cache<View, Arc<Shelved>>,
}

impl Shelf {
    pub(crate) fn new(blocks: Blocks, clock: Clock, metrics: Metrics) -> Self {
        Self {
            blocks,
            clock,
            metrics,
            layouts: Cache::new(LAYOUTS_MAX),
        }
    }

    /// Where things stand: as before if the same things are there, else as near to it as can be.
    pub(crate) async fn layout(
        &self,
        view: View,
        sketch: Sketch,
        now_unix_ms: i64,
    ) -> Result<Layout, Refusal> {
        let structure = structure(&sketch);
        let known = self.layouts.get(&view);
        if let Some(known) = &known
            && known.structure == structure
        {
            return Ok(known.layout.clone());
        }
        let mut stored = if view.filter.is_empty() {
            self.stored(&view, now_unix_ms).await
        } else {
            Stored::default()
        };
        let previous: Spots = match &known {
            Some(known) => known.layout.spots.clone(),
            None => stored.spots(),
        };
        let began = self.clock.monotonic();
        let layout = off_thread(move || Ok(lay_out(&sketch, &previous))).await?;
        let took = self.clock.monotonic().saturating_duration_since(began);
        self.metrics.map_layout_seconds.observe(took.as_secs_f64());
        if view.is_whole() {
            stored.note(&layout.spots, now_unix_ms);
            self.store(&view, &stored).await;
        }
        let shelved = Shelved {
            structure,
            layout: layout.clone(),
        };
        self.layouts.insert(view, Arc::new(shelved));
        Ok(layout)
    }

    /// Spots of the whole map. What cannot be read is told and begins anew: a map that moves once is better than none.
    async fn stored(&self, view: &View, now_unix_ms: i64) -> Stored {
        let read = self.blocks.kv_get(SCOPE, &key_of(view)).await;
        let found = read.unwrap_or_else(|error| {
            tracing::warn!(code = "TW7001", %error, "spots of the map cannot be read");
            None
        });
        let parsed = found.map_or(Ok(Stored::default()), |bytes| Stored::decode(&bytes));
        let mut stored = parsed.unwrap_or_else(|error| {
            tracing::warn!(code = "TW7002", %error, "spots of the map are not understood");
            Stored::default()
        });
        stored.forget(now_unix_ms);
        stored
    }

    async fn store(&self, view: &View, stored: &Stored) {
        let bytes = Bytes::from(stored.encode());
        if let Err(error) = self.blocks.kv_put(SCOPE, &key_of(view), bytes).await {
            tracing::warn!(code = "TW7003", %error, "spots of the map are not stored");
        }
    }
}

/// What a sketch is made of, whatever its edges weigh.
fn structure(sketch: &Sketch) -> u64 {
    let mut hasher = Xxh3Default::new();
    sketch.nodes.hash(&mut hasher);
    for line in &sketch.edges {
        (line.from, line.to).hash(&mut hasher);
    }
    hasher.finish()
}
