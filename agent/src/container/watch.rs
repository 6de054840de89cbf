//! Tells at which groups something was made or removed, by inotify. In: folders to watch. Out: paths to look at again. It looks at nothing itself: what it
//! cannot tell its owner finds by looking.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// Folders watched. Each holds about 1 KiB of the kernel's memory; a user may often have no more than 8 192.
const WATCHES_MAX: usize = 4_096;
/// Events taken at once; the kernel keeps 16 384 by default, and says when there were more.
const EVENTS_MAX: usize = 16_384;
const BUFFER_BYTES: usize = 4 << 10;

/// The watched folders of a tree.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
    groups: BTreeMap<WatchId, PathBuf>,
    groups_max: usize,
}

/// The kernel's number of a watched folder. None comes again.
pub(super) type WatchId = i32;

/// Why folders cannot be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WatchError {
    #[error("there are more than {0} control groups")]
    Full(usize),
    #[error("{0} (at fs.inotify.max_user_instances and max_user_watches: none is left)")]
    Limit(Errno),
    #[error("{0}")]
    Other(Errno),
    /// It is no folder any more: nothing to watch, and nothing wrong.
    #[error("the control group is gone")]
    Gone,
}

/// What happened since the last look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changes {
    /// These were made or removed.
    At(BTreeSet<PathBuf>),
    /// Some were not told: anything may have changed.
    Anywhere,
}

impl Watch {
    pub(super) fn new() -> Result<Self, WatchError> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self {
            inotify,
            groups: BTreeMap::new(),
            groups_max: WATCHES_MAX,
        })
    }

    /// Watches the folder of a group for groups made and removed in it. A folder that is watched already keeps its number.
    pub(super) fn add(&mut self, folder: &Path, group: &Path) -> Result<WatchId, WatchError> {
        let events = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let kind = WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        let id = inotify::add_watch(&self.inotify, folder, events | kind)?;
        let is_new = self.groups.insert(id, group.to_owned()).is_none();
        if is_new && self.groups.len() > self.groups_max {
            return Err(WatchError::Full(self.groups_max));
        }
        Ok(id)
    }

    /// Ends all watches but these.
    pub(super) fn keep(&mut self, wanted: &BTreeSet<WatchId>) {
        let ids = self.groups.keys().copied();
        let ended: Vec<WatchId> = ids.filter(|id| !wanted.contains(id)).collect();
        for id in ended {
            self.remove(id);
        }
    }

    /// Ends a watch. That of a control group stays otherwise, and its memory, also when the group is gone.
    pub(super) fn remove(&mut self, id: WatchId) {
        self.groups.remove(&id);
        // Where the kernel did it before us there is nothing to remove.
        inotify::remove_watch(&self.inotify, id).unwrap_or_default();
    }

    pub(super) fn changes(&mut self) -> Changes {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut changed = BTreeSet::new();
        for _ in 0..EVENTS_MAX {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Changes::At(changed),
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                break;
            }
            let is_folder = event.events().contains(ReadFlags::ISDIR);
            let group = self.groups.get(&event.wd()).filter(|_| is_folder);
            if let (Some(group), Some(name)) = (group, event.file_name()) {
                changed.insert(group.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
        Changes::Anywhere
    }

    #[cfg(test)]
    pub(super) fn n_watches(&self) -> usize {
        self.groups.len()
    }

    #[cfg(test)]
    pub(super) fn limit(&mut self, groups_max: usize) {
        self.groups_max = groups_max;
    }
}

impl From<Errno> for WatchError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Gone,
            Errno::NOSPC | Errno::MFILE => Self::Limit(errno),
            other => Self::Other(other),
        }
    }
}
