//! Who sends spans: processes with a socket towards a port at which OTLP is received. In: the host's tables of sockets, and open files of processes. Out:
//! pids. Whoever is in a container is told of anyway and not looked for; most have a network, and tables, of their own.
//!
//! A table names a socket by its inode, and only the open files of a process say that it is its. So whose a socket is gets looked for once, in a pass over the
//! processes that a reading takes up where the last one left it, and is remembered while the socket is there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use http::Uri;

use super::select::Candidate;
use crate::file;

/// Where OTLP is received unless somebody says otherwise: gRPC, HTTP.
const PORTS: [u16; 2] = [4317, 4318];
const TABLES: [&str; 2] = ["net/tcp", "net/tcp6"];
/// Bytes read of a table: some 14 000 sockets. Those behind are not seen.
const TABLE_BYTES_MAX: u64 = 2 << 20;
/// Tables that are longer together are read each [`RARELY_NS`], not in each reading: the kernel takes some 3 µs to write a line.
const OFTEN_BYTES_MAX: usize = 256 << 10;
const RARELY_NS: u64 = 60 * 1_000_000_000;
/// Sockets followed.
const SOCKETS_MAX: usize = 4_096;
/// Open files looked at in one reading, and of one process: 20 ms of work.
const FILES_MAX: usize = 4_096;
/// For so long after its last socket a process counts as one that sends: some exporters connect, send and close, and a reading seldom meets them.
const KEPT_NS: u64 = 5 * 60 * 1_000_000_000;

/// A process by pid and start, since pids come again.
type Key = (u64, u64);

/// Follows sockets to their processes.
#[derive(Debug)]
pub(super) struct Senders {
    proc: PathBuf,
    ports: BTreeSet<u16>,
    /// Sockets towards the ports at the last reading, by inode.
    sockets: BTreeMap<u64, Owner>,
    /// When long tables were last read.
    long_unix_ns: Option<u64>,
    /// Processes that the pass under way has not looked into yet.
    pass: VecDeque<Key>,
    /// When each process was last seen with such a socket.
    seen_unix_ns: BTreeMap<Key, u64>,
    denied: Denied,
}

/// Whose a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// To be looked for by the next pass.
    New,
    /// Looked for by the pass under way.
    Sought,
    Process(Key),
    /// Of no process that may be looked into.
    Nobody,
}

/// Whether open files of a process may not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    No,
    Met,
    Told,
}

impl Senders {
    /// `endpoint` is where this host's figures go: its spans go there too, or to a port that is customary.
    pub(super) fn new(proc: PathBuf, endpoint: &str) -> Self {
        let endpoint = endpoint.parse::<Uri>().ok();
        let own = endpoint.and_then(|uri| uri.port_u16());
        Self {
            proc,
            ports: PORTS.into_iter().chain(own).collect(),
            sockets: BTreeMap::new(),
            long_unix_ns: None,
            pass: VecDeque::new(),
            seen_unix_ns: BTreeMap::new(),
            denied: Denied::No,
        }
    }

    /// Pids of those that send, or did lately.
    pub(super) fn find(&mut self, candidates: &[Candidate], now_unix_ns: u64) -> BTreeSet<u64> {
        let outside = candidates
            .iter()
            .filter(|c| c.container.is_none() && !c.stat.is_kernel());
        let alive: BTreeSet<Key> = outside.map(Candidate::key).collect();
        let is_rare = |long_unix_ns| now_unix_ns.abs_diff(long_unix_ns) < RARELY_NS;
        if !self.long_unix_ns.is_some_and(is_rare) {
            self.follow(&alive, now_unix_ns);
        }
        self.seek(&alive);
        self.remember(&alive, now_unix_ns)
    }

    /// Keeps the sockets in step with the tables.
    fn follow(&mut self, alive: &BTreeSet<Key>, now_unix_ns: u64) {
        let tables = TABLES.map(|name| file::of_init(&self.proc, name, TABLE_BYTES_MAX));
        let n_bytes: usize = tables.iter().flatten().map(String::len).sum();
        self.long_unix_ns = (n_bytes > OFTEN_BYTES_MAX).then_some(now_unix_ns);
        let inodes: BTreeSet<u64> = tables
            .iter()
            .flatten()
            .flat_map(|table| towards(table, &self.ports))
            .take(SOCKETS_MAX)
            .collect();
        // Whoever outlives the process that a socket was found at may have it too.
        let holds = |owner: &Owner| !matches!(owner, Owner::Process(key) if !alive.contains(key));
        self.sockets
            .retain(|inode, owner| inodes.contains(inode) && holds(owner));
        for inode in inodes {
            self.sockets.entry(inode).or_insert(Owner::New);
        }
    }

    /// Goes on with the pass under way, or begins one if there is something to look for.
    fn seek(&mut self, alive: &BTreeSet<Key>) {
        if self.pass.is_empty() && !self.turn(Owner::New, Owner::Sought) {
            return;
        }
        if self.pass.is_empty() {
            // Who sent before is the likeliest to send again.
            let (before, others): (Vec<Key>, Vec<Key>) = alive
                .iter()
                .partition(|key| self.seen_unix_ns.contains_key(key));
            self.pass = before.into_iter().chain(others).collect();
        }
        let mut n_files = 0;
        while n_files < FILES_MAX && self.sockets.values().any(|o| *o == Owner::Sought) {
            let Some(key) = self.pass.pop_front() else {
                self.turn(Owner::Sought, Owner::Nobody);
                self.tell_denied();
                return;
            };
            if alive.contains(&key) {
                n_files += self.look_into(key);
            }
        }
        if n_files < FILES_MAX {
            self.pass.clear(); // All were found.
        }
    }

    /// Gives all sockets of one kind to another. Whether there were any.
    fn turn(&mut self, from: Owner, to: Owner) -> bool {
        let turned = self.sockets.values_mut().filter(|owner| **owner == from);
        turned.map(|owner| *owner = to).count() > 0
    }

    /// Finds the sockets among the open files of a process. Returns how many files were looked at.
    fn look_into(&mut self, key: Key) -> usize {
        let folder = self.proc.join(key.0.to_string()).join("fd");
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                if error.kind() == io::ErrorKind::PermissionDenied && self.denied == Denied::No {
                    self.denied = Denied::Met;
                }
                return 1;
            }
        };
        let mut n_files = 1;
        for entry in entries.flatten().take(FILES_MAX) {
            n_files += 1;
            let inode = fs::read_link(entry.path()).ok().as_deref().and_then(socket);
            let owner = inode.and_then(|inode| self.sockets.get_mut(&inode));
            if let Some(owner @ (Owner::New | Owner::Sought)) = owner {
                *owner = Owner::Process(key);
            }
        }
        n_files
    }

    fn remember(&mut self, alive: &BTreeSet<Key>, now_unix_ns: u64) -> BTreeSet<u64> {
        for owner in self.sockets.values() {
            if let Owner::Process(key) = owner {
                self.seen_unix_ns.insert(*key, now_unix_ns);
            }
        }
        self.seen_unix_ns.retain(|key, seen_unix_ns| {
            alive.contains(key) && now_unix_ns.saturating_sub(*seen_unix_ns) <= KEPT_NS
        });
        self.seen_unix_ns.keys().map(|(pid, _)| *pid).collect()
    }

    /// Says once that a right is missing, and only where it was missed: a socket is nobody's.
    fn tell_denied(&mut self) {
        if self.denied != Denied::Met {
            return;
        }
        self.denied = Denied::Told;
        tracing::warn!(
            code = "TW8008",
            "open files of other users' processes may not be read: those that send spans are told of only if they use much; run as root, or with \
             CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        );
    }
}

/// Inodes of the sockets in a table whose far end is at one of the ports, in whatever state: also one whose receiver is away is of a process that sends. A
/// line: `1: 0100007F:CFFA 0100007F:10DD 01 00000000:00000000 00:00000000 00000000 0 0 4783 …`. A socket that no process has any more has inode 0.
fn towards<'a>(table: &'a str, ports: &'a BTreeSet<u16>) -> impl Iterator<Item = u64> + 'a {
    table.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (_, port) = words.nth(2)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        if !ports.contains(&port) {
            return None;
        }
        words.nth(6)?.parse().ok().filter(|inode| *inode > 0)
    })
}

/// The inode in what the link of an open file says: `socket:[4783]`.
fn socket(link: &Path) -> Option<u64> {
    let text = OsStr::to_str(link.as_os_str())?;
    text.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
