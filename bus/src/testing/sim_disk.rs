//! A disk in memory on which what is written and what is durable are two things. In: writes, syncs, a seed. Out: after a power cut, what a
//! real disk might have kept: everything synced, and any mixture of sectors of the rest.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Seeded;
use crate::local::disk::Space;

/// Written whole or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

/// A disk that holds one folder. Clones are the same disk, until its power is cut.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    life: u64,
}

/// What goes wrong, each with its own probability per call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DiskFaults {
    /// An fsync fails: part of what was written is durable, the rest never will be, and the next fsync says OK.
    pub sync_eio: f64,
    /// An fsync says OK and does nothing: what an acknowledgement before the fsync is worth.
    pub sync_lies: f64,
    /// A write puts down a part and fails with EIO.
    pub write_eio: f64,
    /// A write puts down a part and fails with ENOSPC.
    pub write_enospc: f64,
    /// Making, renaming or removing a file fails with EIO.
    pub name_eio: f64,
}

/// An open file of a [`SimDisk`].
#[derive(Debug)]
pub(crate) struct SimFile {
    disk: SimDisk,
    id: u64,
}

#[derive(Debug)]
struct State {
    seeded: Seeded,
    faults: DiskFaults,
    space: Space,
    /// Grows with each power cut; handles of an earlier life are dead.
    life: u64,
    /// Calls until nothing answers any more.
    n_calls_left: Option<u64>,
    next_id: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since they were last synced, in order.
    renamed: Vec<NameChange>,
    files: BTreeMap<u64, Content>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Put { name: String, id: u64 },
    Rename { from: String, to: String },
    Remove { name: String },
}

#[derive(Debug, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Changes since the last sync, in order.
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl SimDisk {
    /// An empty disk of 1 TiB.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = State {
            seeded: Seeded::new(seed),
            faults: DiskFaults::default(),
            space: Space {
                free_bytes: 1 << 40,
                total_bytes: 1 << 40,
            },
            life: 0,
            n_calls_left: None,
            next_id: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamed: Vec::new(),
            files: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            life: 0,
        }
    }

    /// From now on these faults happen.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.state.lock().faults = faults;
    }

    /// What the disk says it has left. Writes do not use it up.
    pub fn set_free_bytes(&self, free_bytes: u64) {
        self.state.lock().space.free_bytes = free_bytes;
    }

    /// From the `n_calls`-th call on nothing answers, until the power is cut: a crash in the middle of an operation.
    pub fn fail_after(&self, n_calls: u64) {
        self.state.lock().n_calls_left = Some(n_calls);
    }

    /// Cuts the power and gives the disk as the next process finds it, without faults. Old handles fail from here on.
    #[must_use]
    pub fn cut_power(&self) -> Self {
        let mut state = self.state.lock();
        state.lose_power();
        Self {
            state: self.state.clone(),
            life: state.life,
        }
    }

    /// Names of all files, in order.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// Changes the durable content of a file behind everybody's back. Nothing happens if there is none of that name.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        let Some(id) = state.names.get(name).copied() else {
            return;
        };
        if let Some(content) = state.files.get_mut(&id) {
            change(&mut content.seen);
            content.durable.clone_from(&content.seen);
            content.pending.clear();
        }
    }

    /// Puts a whole durable file there, or in the place of one.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock();
        let id = state.new_file();
        let content = Content {
            seen: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        };
        state.files.insert(id, content);
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }

    /// Takes a file away, durably.
    pub fn take(&self, name: &str) -> Option<Vec<u8>> {
        let mut state = self.state.lock();
        let id = state.names.remove(name)?;
        state.durable_names.remove(name);
        state.files.get(&id).map(|content| content.seen.clone())
    }

    fn live<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        if state.life != self.life {
            return Err(eio("the power was cut"));
        }
        if let Some(n_left) = &mut state.n_calls_left {
            if *n_left == 0 {
                return Err(eio("nothing answers"));
            }
            *n_left -= 1;
        }
        act(&mut state)
    }

    pub(crate) fn create(&self, name: &str) -> io::Result<SimFile> {
        let id = self.live(|state| {
            state.name_fault()?;
            if state.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let id = state.new_file();
            state.names.insert(name.to_owned(), id);
            state.renamed.push(NameChange::Put {
                name: name.to_owned(),
                id,
            });
            Ok(id)
        })?;
        Ok(SimFile {
            disk: self.clone(),
            id,
        })
    }

    pub(crate) fn open(&self, name: &str) -> io::Result<SimFile> {
        let id = self.live(|state| {
            let id = state.names.get(name).copied();
            id.ok_or_else(|| io::ErrorKind::NotFound.into())
        })?;
        Ok(SimFile {
            disk: self.clone(),
            id,
        })
    }

    pub(crate) fn list(&self) -> io::Result<Vec<String>> {
        self.live(|state| Ok(state.names.keys().cloned().collect()))
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.change_name(NameChange::Remove {
            name: name.to_owned(),
        })
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_name(NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }

    fn change_name(&self, change: NameChange) -> io::Result<()> {
        self.live(|state| {
            state.name_fault()?;
            if !change.apply(&mut state.names) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.renamed.push(change);
            Ok(())
        })
    }

    pub(crate) fn sync_names(&self) -> io::Result<()> {
        self.live(|state| {
            if state.fault(|faults| faults.sync_eio) {
                return Err(eio("fsync of the folder"));
            }
            state.durable_names.clone_from(&state.names);
            state.renamed.clear();
            Ok(())
        })
    }

    pub(crate) fn space(&self) -> io::Result<Space> {
        self.live(|state| Ok(state.space))
    }
}

impl SimFile {
    fn with<T>(
        &self,
        act: impl FnOnce(&mut State, &mut Content) -> io::Result<T>,
    ) -> io::Result<T> {
        self.disk.live(|state| {
            let mut content = state
                .files
                .remove(&self.id)
                .ok_or_else(|| eio("no such file"))?;
            let result = act(state, &mut content);
            state.files.insert(self.id, content);
            result
        })
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        self.with(|_, content| Ok(content.seen.len() as u64))
    }

    pub(crate) fn set_len(&self, n_bytes: u64) -> io::Result<()> {
        self.with(|_, content| {
            content.change(Change::Length(n_bytes as usize));
            Ok(())
        })
    }

    pub(crate) fn reserve(&self, n_bytes: u64) -> io::Result<()> {
        self.with(|_, content| {
            let n_bytes = content.seen.len().max(n_bytes as usize);
            content.change(Change::Length(n_bytes));
            Ok(())
        })
    }

    pub(crate) fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.with(|state, content| {
            let failure = if state.fault(|faults| faults.write_eio) {
                Some(eio("write"))
            } else if state.fault(|faults| faults.write_enospc) {
                Some(io::ErrorKind::StorageFull.into())
            } else {
                None
            };
            let n_written = match failure {
                Some(_) => state.seeded.below(bytes.len() as u64) as usize,
                None => bytes.len(),
            };
            let bytes = bytes.get(..n_written).unwrap_or_default().to_vec();
            content.change(Change::Write {
                at: at as usize,
                bytes,
            });
            failure.map_or(Ok(()), Err)
        })
    }

    pub(crate) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.with(|_, content| {
            let there = content.seen.get(at as usize..).unwrap_or_default();
            let n_read = there.len().min(bytes.len());
            let (filled, _) = bytes.split_at_mut(n_read);
            filled.copy_from_slice(there.get(..n_read).unwrap_or_default());
            Ok(n_read)
        })
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.with(|state, content| {
            if state.fault(|faults| faults.sync_eio) {
                content.keep_some(&mut state.seeded);
                return Err(eio("fsync"));
            }
            if !state.fault(|faults| faults.sync_lies) {
                content.durable.clone_from(&content.seen);
                content.pending.clear();
            }
            Ok(())
        })
    }
}

impl State {
    fn fault(&mut self, probability: impl Fn(&DiskFaults) -> f64) -> bool {
        let probability = probability(&self.faults);
        probability > 0.0 && self.seeded.chance(probability)
    }

    fn name_fault(&mut self) -> io::Result<()> {
        if self.fault(|faults| faults.name_eio) {
            Err(eio("a change of names"))
        } else {
            Ok(())
        }
    }

    fn new_file(&mut self) -> u64 {
        self.next_id += 1;
        self.files.insert(self.next_id, Content::default());
        self.next_id
    }

    /// Names keep a first part of their changes, as a journal does; files keep any sectors.
    fn lose_power(&mut self) {
        self.life += 1;
        self.faults = DiskFaults::default();
        self.n_calls_left = None;
        let n_kept = self.seeded.below(self.renamed.len() as u64 + 1) as usize;
        for change in self.renamed.drain(..).take(n_kept) {
            change.apply(&mut self.durable_names);
        }
        self.names.clone_from(&self.durable_names);
        for content in self.files.values_mut() {
            content.keep_some(&mut self.seeded);
            content.seen.clone_from(&content.durable);
        }
    }
}

impl NameChange {
    /// False if the name it begins from is not there.
    fn apply(&self, names: &mut BTreeMap<String, u64>) -> bool {
        match self {
            Self::Put { name, id } => {
                names.insert(name.clone(), *id);
                true
            }
            Self::Rename { from, to } => {
                let id = names.remove(from);
                id.map(|id| names.insert(to.clone(), id)).is_some()
            }
            Self::Remove { name } => names.remove(name).is_some(),
        }
    }
}

impl Content {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// Makes a random part of what is pending durable and forgets that the rest was ever to be.
    fn keep_some(&mut self, seeded: &mut Seeded) {
        let keep = [0.0, 0.5, 1.0][seeded.below(3) as usize];
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(n_bytes) => {
                    if seeded.chance(0.5) {
                        Change::Length(n_bytes).apply(&mut self.durable);
                    }
                }
                Change::Write { at, bytes } => {
                    for (at, bytes) in sectors(at, &bytes) {
                        if seeded.chance(keep) {
                            Change::Write {
                                at,
                                bytes: bytes.to_vec(),
                            }
                            .apply(&mut self.durable);
                        }
                    }
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Length(n_bytes) => content.resize(*n_bytes, 0),
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*at..end) {
                    place.copy_from_slice(bytes);
                }
            }
        }
    }
}

/// The parts of a write that lie in one sector each.
fn sectors(at: usize, bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut parts = Vec::new();
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let n_bytes = (SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len());
        let (part, later) = rest.split_at(n_bytes);
        parts.push((at, part));
        (at, rest) = (at + n_bytes, later);
    }
    parts
}

fn eio(what: &str) -> io::Error {
    io::Error::other(format!("simulated: {what}"))
}
