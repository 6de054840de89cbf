//! What a start does so that catalog and files agree: unfinished puts go, whole blocks without a row are adopted, rows without a file go.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{describe, key, path};
use super::table::{Table, quarantine};
use super::trailer::Trailer;
use crate::BlockKind;

/// What a start found and did. All zero after a clean stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Blocks that had no row, and have one now.
    pub n_adopted: usize,
    /// Rows whose file was missing: these blocks are lost.
    pub n_lost: usize,
    /// Unfinished puts that were removed.
    pub n_unfinished: usize,
    /// Blocks are there, but no small metadata: partitions start at the earliest offset.
    pub kv_missing: bool,
    /// Files and databases that could not be read and lie in `quarantine/` now.
    pub quarantined: Vec<PathBuf>,
}

/// Brings catalog and files to agree.
pub(super) fn reconcile(dir: &Path, catalog: &Table) -> Result<Recovered, redb::Error> {
    let mut recovered = Recovered::default();
    let known = drop_rows_without_file(dir, catalog, &mut recovered)?;
    for kind in BlockKind::ALL {
        for file in files_of(&dir.join(kind.name()))? {
            if file.extension().is_some_and(|ext| ext == "tmp") {
                std::fs::remove_file(&file)?;
                recovered.n_unfinished += 1;
            } else if !known.contains(&file) {
                adopt(dir, &file, catalog, &mut recovered)?;
            }
        }
    }
    Ok(recovered)
}

/// Files that the remaining rows name.
fn drop_rows_without_file(
    dir: &Path,
    catalog: &Table,
    recovered: &mut Recovered,
) -> Result<HashSet<PathBuf>, redb::Error> {
    let mut known = HashSet::new();
    let mut unreadable = Vec::new();
    let mut lost = Vec::new();
    catalog.scan(|row_key, row| match Trailer::decode(row) {
        Ok(trailer) => {
            let file = dir.join(path(&trailer.entry.name));
            if file.is_file() {
                known.insert(file);
            } else {
                tracing::error!(code = "TW5002", block = ?trailer.entry.name, file = %file.display(), "a block's file is missing");
                lost.push(row_key.to_owned());
            }
        }
        Err(_) => unreadable.push(row_key.to_owned()),
    })?;
    recovered.n_lost = lost.len();
    // An unreadable row is dropped as well: its file is adopted again right after.
    if !lost.is_empty() || !unreadable.is_empty() {
        catalog.delete(lost.iter().chain(&unreadable).map(String::as_str))?;
    }
    Ok(known)
}

fn adopt(
    dir: &Path,
    file: &Path,
    catalog: &Table,
    recovered: &mut Recovered,
) -> Result<(), redb::Error> {
    let trailer = describe(file)?.filter(|trailer| dir.join(path(&trailer.entry.name)) == file);
    if let Some(trailer) = trailer {
        catalog.put(&key(&trailer.entry.name), &trailer.encode())?;
        recovered.n_adopted += 1;
    } else {
        let moved_to = quarantine(dir, file)?;
        tracing::error!(code = "TW5003", file = %file.display(), moved_to = %moved_to.display(), "a block file without a readable trailer moved aside");
        recovered.quarantined.push(moved_to);
    }
    Ok(())
}

/// Files in the folders of a folder, ordered, which is as deep as block files lie.
fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for below in std::fs::read_dir(folder)? {
        let below = below?.path();
        if below.is_dir() {
            for file in std::fs::read_dir(&below)? {
                files.push(file?.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
