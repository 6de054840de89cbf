//! The few things that the log asks of a file system. In: names within one folder. Out: files, read and written by position.
//!
//! This is the seam below the log: the simulation puts a disk in memory here that tears writes and fails on purpose.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::buffer::spare_capacity;
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};
use rustix::io::pread;

#[cfg(any(test, feature = "testing"))]
use crate::testing::sim_disk::{SimDisk, SimFile};

/// Most files that a log folder may hold.
const FILES_MAX: usize = 1 << 20;

/// A folder that holds one log.
#[derive(Debug, Clone)]
pub enum Disk {
    Host(Folder),
    #[cfg(any(test, feature = "testing"))]
    Sim(SimDisk),
}

/// A folder of this host, locked while this lives.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    /// Holds the exclusive lock.
    _lock: Arc<File>,
}

/// An open file.
#[derive(Debug)]
pub(crate) enum DiskFile {
    Host(File),
    #[cfg(any(test, feature = "testing"))]
    Sim(SimFile),
}

/// Room on the disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
}

impl Disk {
    /// Opens or makes the folder at `path` and locks it.
    ///
    /// # Errors
    /// When it cannot be made or read, or another process has it (`WouldBlock`).
    pub fn host(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self::Host(Folder {
            path: path.to_owned(),
            _lock: Arc::new(lock),
        }))
    }

    /// Where a file is, for people.
    pub(crate) fn place_of(&self, name: &str) -> String {
        match self {
            Self::Host(folder) => folder.path.join(name).display().to_string(),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(_) => name.to_owned(),
        }
    }

    /// Makes a file that is not there yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<DiskFile> {
        match self {
            Self::Host(folder) => OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.path.join(name))
                .map(DiskFile::Host),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.create(name).map(DiskFile::Sim),
        }
    }

    /// Opens a file that is there.
    pub(crate) fn open(&self, name: &str) -> io::Result<DiskFile> {
        match self {
            Self::Host(folder) => OpenOptions::new()
                .read(true)
                .write(true)
                .open(folder.path.join(name))
                .map(DiskFile::Host),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.open(name).map(DiskFile::Sim),
        }
    }

    /// Names of all files that have a plain UTF-8 name.
    pub(crate) fn list(&self) -> io::Result<Vec<String>> {
        match self {
            Self::Host(folder) => {
                let mut names = Vec::new();
                for entry in std::fs::read_dir(&folder.path)?.take(FILES_MAX) {
                    names.extend(entry?.file_name().to_str().map(str::to_owned));
                }
                Ok(names)
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.list(),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match self {
            Self::Host(folder) => std::fs::remove_file(folder.path.join(name)),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.remove(name),
        }
    }

    /// Puts a file in the place of another. Durable only after [`Disk::sync_names`].
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        match self {
            Self::Host(folder) => std::fs::rename(folder.path.join(from), folder.path.join(to)),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.rename(from, to),
        }
    }

    /// Makes creations, removals and renames durable.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        match self {
            Self::Host(folder) => File::open(&folder.path)?.sync_all(),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.sync_names(),
        }
    }

    pub(crate) fn space(&self) -> io::Result<Space> {
        match self {
            Self::Host(folder) => {
                let path: &OsStr = folder.path.as_os_str();
                let stat = statvfs(path)?;
                Ok(Space {
                    free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
                    total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
                })
            }
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(disk) => disk.space(),
        }
    }

    /// Writes a whole small file so that after a crash it is the old one or the new one.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = format!("{name}.tmp");
        match self.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = self.create(&unfinished)?;
        file.write_all_at(bytes, 0)?;
        file.sync_data()?;
        self.rename(&unfinished, name)?;
        self.sync_names()
    }

    /// Reads a whole small file: nothing if it is not there, an error if it is larger than `bytes_max`.
    pub(crate) fn read_small(&self, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let n_bytes = file.len()?;
        if n_bytes > bytes_max {
            return Err(io::Error::other(format!(
                "{n_bytes} bytes, over the limit of {bytes_max}"
            )));
        }
        file.read_at_most(n_bytes as usize, 0).map(Some)
    }
}

impl DiskFile {
    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Host(file) => Ok(file.metadata()?.len()),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => file.len(),
        }
    }

    pub(crate) fn set_len(&self, n_bytes: u64) -> io::Result<()> {
        match self {
            Self::Host(file) => file.set_len(n_bytes),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => file.set_len(n_bytes),
        }
    }

    /// Takes room for `n_bytes` where the file system can; one that cannot leaves the file as it is.
    pub(crate) fn reserve(&self, n_bytes: u64) -> io::Result<()> {
        match self {
            Self::Host(file) => match fallocate(file, FallocateFlags::empty(), 0, n_bytes) {
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                other => Ok(other?),
            },
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => file.reserve(n_bytes),
        }
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Self::Host(file) => file.write_all_at(bytes, at),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => file.write_all_at(bytes, at),
        }
    }

    /// What stands from position `at` on: `n_bytes`, or fewer if the file ends there.
    pub(crate) fn read_at_most(&self, n_bytes: usize, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(n_bytes);
        while bytes.len() < n_bytes {
            let end = at + bytes.len() as u64;
            match self.read_behind(&mut bytes, end) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(n_bytes);
        Ok(bytes)
    }

    /// Reads into the room behind what is in `bytes`, which nobody writes zeros into before.
    fn read_behind(&self, bytes: &mut Vec<u8>, at: u64) -> io::Result<usize> {
        match self {
            Self::Host(file) => Ok(pread(file, spare_capacity(bytes), at)?),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => {
                let begin = bytes.len();
                bytes.resize(bytes.capacity(), 0);
                let read = file.read_at(bytes.get_mut(begin..).unwrap_or_default(), at);
                bytes.truncate(begin + read.as_ref().copied().unwrap_or(0));
                read
            }
        }
    }

    /// Makes the content durable.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        match self {
            Self::Host(file) => file.sync_data(),
            #[cfg(any(test, feature = "testing"))]
            Self::Sim(file) => file.sync_data(),
        }
    }
}
