//! Containers, found by the names of control groups, of version 1 and 2. In: the cgroup file system. Out: a sheet for each container. It needs no runtime:
//! a container is a group whose name ends with 64 hex digits, whoever made it. A runtime is asked for names alone, and only where that is wanted.

mod identity;
mod network;
mod runtime;
mod tree;
mod usage;
mod v1;
mod v2;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use telemetry::Clock;

pub(crate) use identity::{Identity, identity_of};
pub(crate) use runtime::Names;

use crate::config::{Config, Paths};
use crate::file;
use crate::host::{boot_unix_s, disk, ticks_per_s};
use crate::instrument::CONTAINER_UPTIME;
use crate::process::stat::Stat;
use crate::resource::Host;
use crate::sheet::Sheet;
use network::Namespaces;
use runtime::Runtime;
use tree::Tree;
use usage::Usage;

/// A younger container is read each second.
const YOUNG_NS: u64 = 30_000_000_000;
/// Young containers read in one second. Where more begin at once they take turns, so that a roll-out does not cost more than a host full of old ones.
const YOUNG_MAX: usize = 32;
/// Processes of a container that are asked for the oldest.
const FIRST_PROCESSES: usize = 16;

/// Reads what containers use.
#[derive(Debug)]
pub(crate) struct ContainerProbe {
    paths: Paths,
    groups: Groups,
    tree: Tree,
    runtime: Option<Runtime>,
    /// What stays of each container between readings, by its path in the tree.
    known: BTreeMap<PathBuf, Known>,
    boot_unix_ns: u64,
    ticks_per_s: f64,
}

/// Where the figures of a group lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Version 2: one tree.
    Unified(PathBuf),
    /// Version 1: a tree a controller, below this folder, and perhaps one of version 2 beside them.
    PerController(PathBuf),
}

/// What is remembered of a container. A group that is made again under the same name has another inode and counts from 0 again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    inode: u64,
    start_unix_ns: u64,
    /// 0: not yet.
    read_unix_ns: u64,
}

impl Groups {
    fn find(cgroup: &Path) -> Self {
        if cgroup.join("cgroup.controllers").exists() {
            Self::Unified(cgroup.to_owned())
        } else {
            Self::PerController(cgroup.to_owned())
        }
    }

    /// The tree in which containers are looked for.
    fn searched(&self) -> PathBuf {
        match self {
            Self::Unified(root) => root.clone(),
            Self::PerController(root) => ["memory", "cpu", "cpu,cpuacct", "pids"]
                .iter()
                .map(|controller| root.join(controller))
                .find(|tree| tree.is_dir())
                .unwrap_or_else(|| root.clone()),
        }
    }

    fn usage(&self, group: &Path) -> Usage {
        match self {
            Self::Unified(root) => v2::usage(&root.join(group)),
            Self::PerController(root) => v1::usage(root, group),
        }
    }
}

impl ContainerProbe {
    pub(crate) fn new(config: &Config, clock: &Clock, now_unix_ns: u64) -> Self {
        let paths = config.paths.clone();
        let socket = Some(&config.runtime_socket).filter(|path| !path.as_os_str().is_empty());
        let groups = Groups::find(&paths.cgroup);
        let boot_unix_s = boot_unix_s(&paths.proc);
        Self {
            tree: Tree::new(groups.searched()),
            groups,
            runtime: socket.map(|path| Runtime::new(path.clone(), clock.clone())),
            known: BTreeMap::new(),
            boot_unix_ns: boot_unix_s.map_or(now_unix_ns, |s| s.saturating_mul(1_000_000_000)),
            ticks_per_s: ticks_per_s(),
            paths,
        }
    }

    /// Reads all containers where `all`, else the young ones.
    pub(crate) fn observe(&mut self, host: &mut Host, now_unix_ns: u64, all: bool) -> Vec<Sheet> {
        self.tree.refresh(all);
        self.remember(now_unix_ns);
        if let Some(runtime) = &mut self.runtime {
            let ids = self
                .tree
                .containers()
                .map(|(_, container)| container.id.as_str());
            host.call_containers(runtime.names(&ids.collect(), now_unix_ns));
        }
        let due = self.due(now_unix_ns, all);
        if due.is_empty() {
            return Vec::new();
        }
        let disks = file::read(&self.paths.proc.join("diskstats"), file::LONG_BYTES_MAX);
        let disks = disk::names(&disks.unwrap_or_default());
        let namespaces = Namespaces::of_host(&self.paths.proc);
        let told = self.tree.containers().filter_map(|(group, identity)| {
            let known = due.contains(group).then(|| self.known.get(group))??;
            let resource = host.container(identity);
            let mut sheet = Sheet::new(resource, known.start_unix_ns, now_unix_ns);
            self.groups.usage(group).put(&mut sheet, &disks);
            if sheet.n_points() == 0 {
                return None; // It vanished meanwhile.
            }
            let age_ns = now_unix_ns.saturating_sub(known.start_unix_ns);
            sheet.put(&CONTAINER_UPTIME, age_ns as f64 / 1e9, &[]);
            if let Some(pid) = self.tree.processes(group).next() {
                namespaces.put(&mut sheet, &self.paths.proc, pid);
            }
            Some(sheet)
        });
        told.collect()
    }

    /// Groups to read now: all, or the young ones that were not read for longest.
    fn due(&mut self, now_unix_ns: u64, all: bool) -> BTreeSet<PathBuf> {
        let is_due = |(_, known): &(&PathBuf, &mut Known)| all || known.is_young(now_unix_ns);
        let mut due: Vec<_> = self.known.iter_mut().filter(is_due).collect();
        if !all {
            due.sort_by_key(|(_, known)| known.read_unix_ns);
            due.truncate(YOUNG_MAX);
        }
        let read = due.into_iter().map(|(group, known)| {
            known.read_unix_ns = now_unix_ns;
            group.clone()
        });
        read.collect()
    }

    /// Keeps what is known of containers in step with the tree.
    fn remember(&mut self, now_unix_ns: u64) {
        let mut known = BTreeMap::new();
        for (group, _) in self.tree.containers() {
            let Some(inode) = self.tree.inode(group) else {
                continue;
            };
            let before = self.known.get(group).copied();
            let now = before
                .filter(|k| k.inode == inode)
                .unwrap_or_else(|| Known {
                    inode,
                    start_unix_ns: self.start_of(group).unwrap_or(now_unix_ns),
                    read_unix_ns: 0,
                });
            known.insert(group.to_owned(), now);
        }
        self.known = known;
    }

    /// When the oldest process of a container began: a group does not tell when it was made.
    fn start_of(&self, group: &Path) -> Option<u64> {
        let starts = self.tree.processes(group).take(FIRST_PROCESSES);
        let ticks = starts
            .filter_map(|pid| Stat::read(&self.paths.proc, pid))
            .map(|stat| stat.start_ticks)
            .min()?;
        let since_boot_ns = (ticks as f64 / self.ticks_per_s * 1e9) as u64;
        Some(self.boot_unix_ns.saturating_add(since_boot_ns))
    }
}

impl Known {
    fn is_young(&self, now_unix_ns: u64) -> bool {
        now_unix_ns.saturating_sub(self.start_unix_ns) < YOUNG_NS
    }
}

#[cfg(test)]
mod tests;
