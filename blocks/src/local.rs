//! Blocks in a folder: a file a block, a catalog that makes it visible, a table of small metadata.
//!
//! In: bodies with their name and meta. Out: ranges of them, every touched chunk checked. The layout is docs/formats/blocks-local.md.
//! One process owns a folder; a second one is refused. Nothing here knows what a block contains.

mod file;
mod kv;
mod recovery;
mod table;
mod trailer;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use telemetry::Clock;

pub use file::PutStep;
pub use recovery::Recovered;

use crate::block::{ID_BYTES_MAX, META_BYTES_MAX};
use crate::store::BoxError;
use crate::{
    BlockKind, BlockName, BlockStore, BlocksError, CatalogEntry, Config, ContentHash, Metrics, Put,
};
use file::ReadError;
use table::Table;
use trailer::{BODY_BYTES_MAX, Trailer};

/// Longest value of small metadata, in bytes.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// A folder of blocks. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Local {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    catalog: Table,
    kv: Table,
    /// One put or delete at a time, so that a file and its row change together.
    writing: Mutex<()>,
    /// Set once a database could not make a write durable: what its pages hold is then unknown until they are read anew.
    read_only: AtomicBool,
    recovered: Recovered,
    disk_reserve: u64,
    clock: Clock,
    metrics: Metrics,
}

impl Local {
    /// Opens the folder, or makes it. Takes time that grows with the catalog; damage is moved aside and told, never fatal.
    ///
    /// # Errors
    /// When another process has the folder, or the disk refuses.
    pub async fn open(
        dir: PathBuf,
        config: Config,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, BlocksError> {
        let opened = move || Inner::open(dir, &config, clock, metrics);
        let inner = tokio::task::spawn_blocking(opened)
            .await
            .map_err(unavailable)??;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What the start found and did.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.inner.recovered
    }

    /// Runs blocking work apart from the async threads. A panic in it, which only a damaged database can cause, is an error of this call.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, BlocksError> + Send + 'static,
    ) -> Result<T, BlocksError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(unavailable)?
    }

    /// A put that stops before a step as a crash would: what a faulty store and crash tests need.
    #[cfg(feature = "testing")]
    pub async fn put_torn(
        &self,
        name: &BlockName,
        content: ContentHash,
        meta: Bytes,
        bytes: Bytes,
        before: PutStep,
    ) -> Result<Put, BlocksError> {
        let name = name.clone();
        self.blocking(move |inner| inner.put(name, content, meta, &bytes, Some(before)))
            .await
    }
}

impl BlockStore for Local {
    async fn put(
        &self,
        name: &BlockName,
        content: ContentHash,
        meta: Bytes,
        bytes: Bytes,
    ) -> Result<Put, BlocksError> {
        let name = name.clone();
        self.blocking(move |inner| inner.put(name, content, meta, &bytes, None))
            .await
    }

    async fn read(&self, name: &BlockName, range: Range<u64>) -> Result<Bytes, BlocksError> {
        let name = name.clone();
        self.blocking(move |inner| inner.read(name, range)).await
    }

    async fn list(&self, kind: BlockKind) -> Result<Vec<CatalogEntry>, BlocksError> {
        self.blocking(move |inner| inner.list(kind)).await
    }

    async fn delete(&self, name: &BlockName) -> Result<(), BlocksError> {
        let name = name.clone();
        self.blocking(move |inner| inner.delete(&name)).await
    }

    async fn kv_get(&self, scope: &str, key: &str) -> Result<Option<Bytes>, BlocksError> {
        let row = kv::row_key(scope, key)?;
        self.blocking(
            move |inner| match inner.kv.get(&row).map_err(unavailable)? {
                Some(value) => kv::open(&row, &value).map(Some),
                None => Ok(None),
            },
        )
        .await
    }

    async fn kv_put(&self, scope: &str, key: &str, value: Bytes) -> Result<(), BlocksError> {
        let row = kv::row_key(scope, key)?;
        limit("value", value.len(), VALUE_BYTES_MAX)?;
        self.blocking(move |inner| {
            inner.reserve(value.len())?;
            inner.write(&inner.kv, |kv| kv.put(&row, &kv::seal(&row, &value)))
        })
        .await
    }

    async fn kv_list(&self, scope: &str) -> Result<Vec<(String, Bytes)>, BlocksError> {
        let prefix = kv::row_key(scope, "")?;
        self.blocking(move |inner| {
            let mut rows = Vec::new();
            let each = |row: &str, value: &[u8]| {
                rows.push(kv::open(row, value).map(|value| (kv::key_of(row), value)))
            };
            inner.kv.scan_prefix(&prefix, each).map_err(unavailable)?;
            rows.into_iter().collect()
        })
        .await
    }

    async fn kv_delete(&self, scope: &str, keys: &[String]) -> Result<(), BlocksError> {
        let rows = keys
            .iter()
            .map(|key| kv::row_key(scope, key))
            .collect::<Result<Vec<_>, _>>()?;
        self.blocking(move |inner| {
            inner.write(&inner.kv, |kv| kv.delete(rows.iter().map(String::as_str)))
        })
        .await
    }
}

impl Inner {
    fn open(
        dir: PathBuf,
        config: &Config,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, BlocksError> {
        let prepare = || {
            file::make_folder(&dir)?;
            BlockKind::ALL
                .iter()
                .try_for_each(|kind| file::make_folder(&dir.join(kind.name())))
        };
        prepare().map_err(|error: std::io::Error| told(&dir, error))?;
        let cache_bytes_max = (config.catalog_cache_bytes_max / 2) as usize;
        let open = |name: &str| {
            Table::open(&dir, name, cache_bytes_max).map_err(|error| told(&dir.join(name), error))
        };
        let had = |name: &str| std::fs::metadata(dir.join(name)).is_ok_and(|found| found.len() > 0);
        let kv_missing = had("catalog.redb") && !had("kv.redb");
        let (catalog, kv) = (open("catalog.redb")?, open("kv.redb")?);
        // A database that was made just now must not be gone after a power cut.
        dir.parent()
            .into_iter()
            .chain([dir.as_path()])
            .try_for_each(file::sync_folder)
            .map_err(|error| told(&dir, error))?;
        let mut recovered =
            recovery::reconcile(&dir, &catalog.table).map_err(|error| told(&dir, error))?;
        recovered.kv_missing = kv_missing;
        recovered.quarantined.extend(catalog.quarantined);
        recovered.quarantined.extend(kv.quarantined);
        if recovered != Recovered::default() {
            tracing::warn!(
                code = "TW5004",
                ?recovered,
                "the block store was mended at start"
            );
        }
        let inner = Self {
            dir,
            catalog: catalog.table,
            kv: kv.table,
            writing: Mutex::new(()),
            read_only: AtomicBool::new(false),
            recovered,
            disk_reserve: config.disk_reserve,
            clock,
            metrics,
        };
        for kind in BlockKind::ALL {
            for entry in inner.list(kind)? {
                inner.metrics.added(kind, entry.size_bytes);
            }
        }
        Ok(inner)
    }

    /// Refuses what would not leave the reserve: a full disk is met here, never inside a database.
    fn reserve(&self, bytes: usize) -> Result<(), BlocksError> {
        let free_bytes = file::free_bytes(&self.dir).map_err(|error| told(&self.dir, error))?;
        let needed_bytes = self.disk_reserve.saturating_add(bytes as u64);
        if free_bytes >= needed_bytes {
            return Ok(());
        }
        let full = format!("the disk has {free_bytes} bytes free, {needed_bytes} are needed");
        Err(told(&self.dir, full))
    }

    /// A database write. One that fails makes the store read-only.
    fn write<T>(
        &self,
        table: &Table,
        work: impl FnOnce(&Table) -> Result<T, redb::Error>,
    ) -> Result<T, BlocksError> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(BlocksError::ReadOnly);
        }
        work(table).map_err(|error| {
            if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::Corrupted(_)) {
                self.read_only.store(true, Ordering::SeqCst);
                tracing::error!(code = "TW5005", %error, "the block store is read-only from now on");
            }
            unavailable(error)
        })
    }

    /// The row of a block, read from its file if the row is damaged.
    fn row(&self, name: &BlockName) -> Result<Option<Trailer>, BlocksError> {
        let Some(row) = self.catalog.get(&file::key(name)).map_err(unavailable)? else {
            return Ok(None);
        };
        if let Ok(trailer) = Trailer::decode(&row) {
            return Ok(Some(trailer));
        }
        let described = file::describe(&self.dir.join(file::path(name))).map_err(unavailable)?;
        let damaged = || BlocksError::Damaged {
            name: name.clone(),
            at: 0,
            what: "neither row nor trailer can be read".to_owned(),
        };
        described
            .filter(|trailer| trailer.entry.name == *name)
            .ok_or_else(damaged)
            .map(Some)
    }

    fn put(
        &self,
        name: BlockName,
        content: ContentHash,
        meta: Bytes,
        body: &[u8],
        crash_before: Option<PutStep>,
    ) -> Result<Put, BlocksError> {
        if !name.is_valid() {
            return Err(BlocksError::Name(name.id));
        }
        limit("meta", meta.len(), META_BYTES_MAX)?;
        limit("body", body.len(), BODY_BYTES_MAX as usize)?;
        let begun = self.clock.monotonic();
        let _writing = self.writing.lock();
        let Some(taken) = self.row(&name)? else {
            self.store(name, content, meta, body, crash_before)?;
            self.metrics
                .put_seconds
                .observe(begun.elapsed().as_secs_f64());
            return Ok(Put::New);
        };
        if taken.entry.content == content {
            return Ok(Put::Same);
        }
        let beside = name.beside(content);
        limit("block id", beside.id.len(), ID_BYTES_MAX)?;
        if self.row(&beside)?.is_none() {
            self.metrics.beside.inc();
            tracing::error!(
                code = "TW5006",
                ?name,
                ?beside,
                "other content has this name: stored beside it"
            );
            self.store(beside.clone(), content, meta, body, crash_before)?;
        }
        Ok(Put::Beside(beside))
    }

    fn store(
        &self,
        name: BlockName,
        content: ContentHash,
        meta: Bytes,
        body: &[u8],
        crash_before: Option<PutStep>,
    ) -> Result<(), BlocksError> {
        if self.read_only.load(Ordering::SeqCst) {
            return Err(BlocksError::ReadOnly);
        }
        self.reserve(body.len())?;
        let path = self.dir.join(file::path(&name));
        let trailer = Trailer::of(name, content, meta, body);
        let row = trailer.encode();
        file::write(&path, body, &row, crash_before).map_err(|error| told(&path, error))?;
        if crash_before == Some(PutStep::Catalog) {
            return Err(BlocksError::Unavailable("crashed by a test".into()));
        }
        self.write(&self.catalog, |catalog| {
            catalog.put(&file::key(&trailer.entry.name), &row)
        })?;
        self.metrics
            .added(trailer.entry.name.kind, trailer.entry.size_bytes);
        Ok(())
    }

    fn read(&self, name: BlockName, range: Range<u64>) -> Result<Bytes, BlocksError> {
        let Some(trailer) = self.row(&name)? else {
            return Err(BlocksError::NotFound(name));
        };
        let size_bytes = trailer.entry.size_bytes;
        if range.start > range.end || range.end > size_bytes {
            return Err(BlocksError::Range {
                name,
                wanted: range,
                size_bytes,
            });
        }
        file::read(&self.dir.join(file::path(&name)), &trailer, range).map_err(
            |error| match error {
                ReadError::Damaged { at } => {
                    self.metrics.damaged.inc();
                    BlocksError::Damaged {
                        what: error.to_string(),
                        name,
                        at,
                    }
                }
                ReadError::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                    BlocksError::NotFound(name)
                }
                ReadError::Io(cause) => unavailable(cause),
            },
        )
    }

    fn list(&self, kind: BlockKind) -> Result<Vec<CatalogEntry>, BlocksError> {
        let mut entries = Vec::new();
        let each = |row_key: &str, row: &[u8]| match Trailer::decode(row) {
            Ok(trailer) => entries.push(trailer.entry),
            Err(error) => {
                tracing::error!(code = "TW5007", row_key, %error, "a catalog row cannot be read; a restart reads it from its file")
            }
        };
        self.catalog
            .scan_prefix(&format!("{}\0", kind.name()), each)
            .map_err(unavailable)?;
        Ok(entries)
    }

    fn delete(&self, name: &BlockName) -> Result<(), BlocksError> {
        let _writing = self.writing.lock();
        let Some(trailer) = self.row(name)? else {
            return Ok(());
        };
        let key = file::key(name);
        self.write(&self.catalog, |catalog| {
            catalog.delete(std::iter::once(key.as_str()))
        })?;
        self.metrics.removed(name.kind, trailer.entry.size_bytes);
        match std::fs::remove_file(self.dir.join(file::path(name))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unavailable(error)),
            _ => Ok(()),
        }
    }
}

fn limit(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), BlocksError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(BlocksError::TooLarge {
        what,
        bytes: bytes as u64,
        bytes_max: bytes_max as u64,
    })
}

fn unavailable(cause: impl Into<BoxError>) -> BlocksError {
    BlocksError::Unavailable(cause.into())
}

/// As [`unavailable`], with the file that it is about.
fn told(path: &Path, cause: impl std::fmt::Display) -> BlocksError {
    BlocksError::Unavailable(format!("{}: {cause}", path.display()).into())
}

#[cfg(test)]
mod tests;
