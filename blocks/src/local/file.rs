//! Block files: written whole or not at all, read by range with every touched chunk checked.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::trailer::{CHUNK_BYTES, TAIL_BYTES, Trailer};
use crate::BlockName;

/// Step of a put. A crash may come before each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PutStep {
    Write,
    Sync,
    Rename,
    SyncFolder,
    Catalog,
}

impl PutStep {
    pub const ALL: [Self; 5] = [
        Self::Write,
        Self::Sync,
        Self::Rename,
        Self::SyncFolder,
        Self::Catalog,
    ];
}

/// Key of a block in the catalog: sorts like the name itself.
pub(crate) fn key(name: &BlockName) -> String {
    format!("{}\0{}\0{}", name.kind.name(), name.tenant, name.id)
}

/// Where the file of a block is, below the store's folder.
pub(crate) fn path(name: &BlockName) -> PathBuf {
    let hex = format!("{:032x}", xxh3_128(key(name).as_bytes()));
    let folder = hex.get(..2).unwrap_or_default();
    Path::new(name.kind.name())
        .join(folder)
        .join(format!("{hex}.block"))
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Space that is left on the disk of a folder for us.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Steps 1 to 4 of a put. Stops before `crash_before`, if one is given, as a crash would.
pub(crate) fn write(
    path: &Path,
    body: &[u8],
    trailer: &[u8],
    crash_before: Option<PutStep>,
) -> io::Result<()> {
    let tmp = path.with_extension("tmp");
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if !folder.is_dir() {
        make_folder(folder)?;
        folder.parent().map_or(Ok(()), sync_folder)?;
    }
    let written = write_steps(&tmp, path, folder, body, trailer, crash_before);
    if written.is_err() && crash_before.is_none() {
        // The error that stopped the put is the one worth telling; what is left here is removed at the next start.
        std::fs::remove_file(&tmp).ok();
    }
    written
}

fn write_steps(
    tmp: &Path,
    path: &Path,
    folder: &Path,
    body: &[u8],
    trailer: &[u8],
    crash_before: Option<PutStep>,
) -> io::Result<()> {
    let reach = |step| {
        if crash_before == Some(step) {
            Err(io::Error::other("crashed by a test"))
        } else {
            Ok(())
        }
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(tmp)?;
    if crash_before == Some(PutStep::Write) {
        file.write_all(body.get(..body.len() / 2).unwrap_or_default())?;
    }
    reach(PutStep::Write)?;
    file.write_all(body)?;
    file.write_all(trailer)?;
    reach(PutStep::Sync)?;
    file.sync_all()?;
    reach(PutStep::Rename)?;
    std::fs::rename(tmp, path)?;
    reach(PutStep::SyncFolder)?;
    sync_folder(folder)
}

/// Why a range of a block file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("chunk checksum differs")]
    Damaged { at: u64 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Bytes `range` of the body, which lies inside it: the caller has checked.
pub(crate) fn read(path: &Path, trailer: &Trailer, range: Range<u64>) -> Result<Bytes, ReadError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let first_chunk = range.start / CHUNK_BYTES;
    let begin = first_chunk * CHUNK_BYTES;
    let end = range
        .end
        .next_multiple_of(CHUNK_BYTES)
        .min(trailer.entry.size_bytes);
    let mut chunks = vec![0; (end - begin) as usize];
    match File::open(path)?.read_exact_at(&mut chunks, begin) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(ReadError::Damaged { at: begin });
        }
        read => read?,
    }
    let crcs = trailer.chunk_crcs.iter().skip(first_chunk as usize);
    for ((chunk, &crc), i) in chunks
        .chunks(CHUNK_BYTES as usize)
        .zip(crcs)
        .zip(first_chunk..)
    {
        if crc32c::crc32c(chunk) != crc {
            return Err(ReadError::Damaged {
                at: i * CHUNK_BYTES,
            });
        }
    }
    let offset = (range.start - begin) as usize;
    Ok(Bytes::from(chunks).slice(offset..offset + (range.end - range.start) as usize))
}

/// Reads what a block file says of itself. `None` if it is damaged.
pub(crate) fn describe(path: &Path) -> io::Result<Option<Trailer>> {
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let Some(tail_at) = size_bytes.checked_sub(TAIL_BYTES as u64) else {
        return Ok(None);
    };
    let mut tail = [0; TAIL_BYTES];
    file.read_exact_at(&mut tail, tail_at)?;
    let Ok(trailer_bytes) = Trailer::length(&tail) else {
        return Ok(None);
    };
    let Some(trailer_at) = size_bytes.checked_sub(trailer_bytes as u64) else {
        return Ok(None);
    };
    let mut bytes = vec![0; trailer_bytes];
    file.read_exact_at(&mut bytes, trailer_at)?;
    Ok(Trailer::decode(&bytes)
        .ok()
        .filter(|trailer| trailer.entry.size_bytes == trailer_at))
}
