//! One redb file with one table of text → bytes, opened so that no file content can bring the process down.
//!
//! What does not open is moved aside and told; an empty table takes its place. Values carry their own checksum: see who uses this.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableDefinition};

use super::file::make_folder;

const ROWS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("rows");
/// Names that are tried for a file that is moved aside.
const QUARANTINE_NAMES_MAX: u32 = 10_000;

pub(crate) struct Table {
    database: Database,
}

/// A table, and where the file is that was found damaged in its place, if one was.
pub(crate) struct OpenedTable {
    pub(crate) table: Table,
    pub(crate) quarantined: Option<PathBuf>,
}

impl Table {
    /// Opens `dir/file_name`, or makes it. Checks every page.
    pub(crate) fn open(
        dir: &Path,
        file_name: &str,
        cache_bytes_max: usize,
    ) -> Result<OpenedTable, redb::Error> {
        let path = dir.join(file_name);
        match Self::try_open(&path, cache_bytes_max) {
            Ok(table) => Ok(OpenedTable {
                table,
                quarantined: None,
            }),
            Err(Refused::Damaged(what)) => {
                let quarantined = quarantine(dir, &path)?;
                tracing::error!(code = "TW5001", file = %path.display(), moved_to = %quarantined.display(), what, "damaged database moved aside");
                let table = Self::try_open(&path, cache_bytes_max).map_err(Refused::into_error)?;
                Ok(OpenedTable {
                    table,
                    quarantined: Some(quarantined),
                })
            }
            Err(refused) => Err(refused.into_error()),
        }
    }

    fn try_open(path: &Path, cache_bytes_max: usize) -> Result<Self, Refused> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        opened.map_err(|error| Refused::Other(error.into()))?;
        // redb asserts in places what a damaged file breaks: such a panic means "damaged", as an error does.
        catch_unwind(AssertUnwindSafe(|| {
            let mut builder = Builder::new();
            builder
                .set_cache_size(cache_bytes_max)
                .set_check_integrity_on_open(true);
            let table = Self {
                database: builder.create(path).map_err(Refused::of)?,
            };
            table
                .create()
                .map_err(|error| Refused::Damaged(error.to_string()))?;
            table
                .scan(|_, _| ())
                .map_err(|error| Refused::Damaged(error.to_string()))?;
            Ok(table)
        }))
        .unwrap_or_else(|_| Err(Refused::Damaged("reading it panicked".to_owned())))
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
        let table = self.database.begin_read()?.open_table(ROWS)?;
        Ok(table.get_owned(key)?.map(|value| value.value().to_vec()))
    }

    /// Every row, ordered by key.
    pub(crate) fn scan(&self, mut row: impl FnMut(&str, &[u8])) -> Result<(), redb::Error> {
        self.scan_prefix("", |key, value| row(key, value))
    }

    /// Every row whose key begins with `prefix`, ordered by key.
    pub(crate) fn scan_prefix(
        &self,
        prefix: &str,
        mut row: impl FnMut(&str, &[u8]),
    ) -> Result<(), redb::Error> {
        let table = self.database.begin_read()?.open_table(ROWS)?;
        for found in table.range_owned(prefix..)? {
            let (key, value) = found?;
            if !key.value().starts_with(prefix) {
                break;
            }
            row(key.value(), value.value());
        }
        Ok(())
    }

    pub(crate) fn put(&self, key: &str, value: &[u8]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(ROWS)?.insert(key, value)?;
        Ok(transaction.commit()?)
    }

    pub(crate) fn delete<'a>(
        &self,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            for key in keys {
                table.remove(key)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Makes the table if it is not there, so that reading may rely on it.
    fn create(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(ROWS)?;
        Ok(transaction.commit()?)
    }
}

enum Refused {
    Damaged(String),
    Other(redb::Error),
}

impl Refused {
    fn of(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Storage(StorageError::Io(cause))
                if cause.kind() != io::ErrorKind::InvalidData
                    && cause.kind() != io::ErrorKind::UnexpectedEof =>
            {
                Self::Other(StorageError::Io(cause).into())
            }
            DatabaseError::DatabaseAlreadyOpen
            | DatabaseError::LockProtocolMismatch
            | DatabaseError::UpgradeRequired(_) => Self::Other(error.into()),
            error => Self::Damaged(error.to_string()),
        }
    }

    fn into_error(self) -> redb::Error {
        match self {
            Self::Damaged(what) => redb::Error::Corrupted(what),
            Self::Other(error) => error,
        }
    }
}

/// Moves a file into `dir/quarantine` under a name that is free there.
pub(crate) fn quarantine(dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let folder = dir.join("quarantine");
    make_folder(&folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let free = (0..QUARANTINE_NAMES_MAX)
        .map(|n| folder.join(format!("{name}.{n}")))
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| io::Error::other(format!("{} is full", folder.display())))?;
    std::fs::rename(path, &free)?;
    Ok(free)
}
