//! Processes: those that use most, those that send spans, and those in containers. In: `/proc/<pid>` and tables of sockets. Out: a sheet for each process told
//! of. Arguments are never read.

mod select;
mod senders;
pub(crate) mod stat;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, Paths};
use crate::container::{Identity, identity_of};
use crate::file::{self, field};
use crate::host::{boot_unix_s, ticks_per_s};
use crate::instrument::{
    PROCESS_CPU_TIME, PROCESS_DISK_IO, PROCESS_FILE_DESCRIPTOR_COUNT,
    PROCESS_FILE_DESCRIPTOR_LIMIT, PROCESS_MEMORY_USAGE, PROCESS_PAGING_FAULTS,
    PROCESS_THREAD_COUNT, PROCESS_UPTIME, key,
};
use crate::resource::{Host, ProcessIdentity};
use crate::sheet::Sheet;
use select::{Candidate, select};
use senders::Senders;
use stat::Stat;

/// Processes looked at in one reading.
const PROCESSES_SEEN_MAX: usize = 32_768;
/// Open files counted one by one, where the kernel (before 6.2) does not tell how many there are.
const FILES_COUNTED_MAX: usize = 65_536;

/// Reads what processes use.
#[derive(Debug)]
pub(crate) struct ProcessProbe {
    paths: Paths,
    processes_max: usize,
    /// CPU time of each process at the last reading, by pid and start.
    before: BTreeMap<(u64, u64), u64>,
    senders: Senders,
    /// By the host's clock when the agent began: the kernel's own figure moves with the clock, and a process must keep its creation time.
    boot_unix_s: u64,
    ticks_per_s: f64,
    page_bytes: u64,
}

impl ProcessProbe {
    pub(crate) fn new(config: &Config) -> Self {
        let paths = config.paths.clone();
        Self {
            boot_unix_s: boot_unix_s(&paths.proc).unwrap_or(0),
            processes_max: config.processes_max as usize,
            before: BTreeMap::new(),
            senders: Senders::new(paths.proc.clone(), &config.endpoint),
            ticks_per_s: ticks_per_s(),
            page_bytes: rustix::param::page_size() as u64,
            paths,
        }
    }

    pub(crate) fn observe(&mut self, host: &Host, now_unix_ns: u64) -> Vec<Sheet> {
        let mut candidates: Vec<Candidate> = pids(&self.paths.proc)
            .filter_map(|pid| self.candidate(pid))
            .collect();
        candidates.sort_unstable_by_key(|candidate| candidate.pid);
        self.before = candidates
            .iter()
            .map(|c| (c.key(), c.stat.cpu_ticks()))
            .collect();
        let senders = self.senders.find(&candidates, now_unix_ns);
        for candidate in &mut candidates {
            candidate.sends = senders.contains(&candidate.pid);
        }
        let told = select(candidates, self.processes_max);
        let sheets = told
            .iter()
            .filter_map(|candidate| self.sheet(host, candidate, now_unix_ns));
        sheets.collect()
    }

    fn candidate(&self, pid: u64) -> Option<Candidate> {
        let stat = Stat::read(&self.paths.proc, pid)?;
        // A thread of the kernel has no memory and is in no container.
        let container = if stat.is_kernel() {
            None
        } else {
            file::read_short(&self.folder(pid).join("cgroup")).and_then(|text| container_of(&text))
        };
        let before = self.before.get(&(pid, stat.start_ticks)).copied();
        Some(Candidate {
            pid,
            recent_ticks: stat.cpu_ticks().saturating_sub(before.unwrap_or(0)),
            stat,
            container,
            sends: false,
        })
    }

    fn sheet(&self, host: &Host, candidate: &Candidate, now_unix_ns: u64) -> Option<Sheet> {
        let Candidate { pid, stat, .. } = candidate;
        let folder = self.folder(*pid);
        let status = file::read_short(&folder.join("status"))?;
        let created_unix_s = self.boot_unix_s as f64 + stat.start_ticks as f64 / self.ticks_per_s;
        let identity = ProcessIdentity {
            pid: *pid,
            vpid: innermost_pid(&status).unwrap_or(*pid),
            created_unix_ms: (created_unix_s * 1e3) as i64,
            name: &stat.name,
        };
        let mut sheet = Sheet::new(
            host.process(candidate.container.as_ref(), &identity),
            (created_unix_s * 1e9) as u64,
            now_unix_ns,
        );
        let age_s = (now_unix_ns as f64 / 1e9 - created_unix_s).max(0.0);
        sheet.put(&PROCESS_UPTIME, age_s, &[]);
        self.put_stat(&mut sheet, stat);
        put_files(&mut sheet, &folder);
        put_io(&mut sheet, &folder);
        Some(sheet)
    }

    fn put_stat(&self, sheet: &mut Sheet, stat: &Stat) {
        for (mode, ticks) in [("user", stat.user_ticks), ("system", stat.system_ticks)] {
            let time_s = ticks as f64 / self.ticks_per_s;
            sheet.put(&PROCESS_CPU_TIME, time_s, &[(key::CPU_MODE, mode.into())]);
        }
        let rss_bytes = stat.rss_pages.saturating_mul(self.page_bytes);
        sheet.put(&PROCESS_MEMORY_USAGE, rss_bytes, &[]);
        sheet.put(&PROCESS_THREAD_COUNT, stat.n_threads, &[]);
        for (kind, count) in [("minor", stat.minor_faults), ("major", stat.major_faults)] {
            let attributes = [(key::PAGING_FAULT_TYPE, kind.into())];
            sheet.put(&PROCESS_PAGING_FAULTS, count, &attributes);
        }
    }

    fn folder(&self, pid: u64) -> PathBuf {
        self.paths.proc.join(pid.to_string())
    }
}

/// Files of other users' processes need rights that the agent may not have: then they are not told.
fn put_files(sheet: &mut Sheet, folder: &Path) {
    sheet.put(
        &PROCESS_FILE_DESCRIPTOR_COUNT,
        open_files(&folder.join("fd")),
        &[],
    );
    let limits = file::read_short(&folder.join("limits")).unwrap_or_default();
    // "unlimited" is no number, and no limit.
    sheet.put(
        &PROCESS_FILE_DESCRIPTOR_LIMIT,
        field(&limits, "Max open files"),
        &[],
    );
}

fn put_io(sheet: &mut Sheet, folder: &Path) {
    let io = file::read_short(&folder.join("io")).unwrap_or_default();
    for (direction, name) in [("read", "read_bytes"), ("write", "write_bytes")] {
        let attributes = [(key::DISK_IO_DIRECTION, direction.into())];
        sheet.put(&PROCESS_DISK_IO, field(&io, name), &attributes);
    }
}

/// How many files are open: the size of the folder where the kernel tells it so, else the number of its entries.
fn open_files(folder: &Path) -> Option<u64> {
    let size = fs::metadata(folder).ok()?.len();
    let entries = fs::read_dir(folder).ok()?;
    if size > 0 {
        return Some(size);
    }
    Some(entries.take(FILES_COUNTED_MAX).count() as u64)
}

fn pids(proc: &Path) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(proc).into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.take(PROCESSES_SEEN_MAX)
}

/// The container that any line of `/proc/<pid>/cgroup` names: `4:memory:/docker/<id>`.
fn container_of(cgroup: &str) -> Option<Identity> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.filter_map(identity_of).next()
}

/// The pid in the innermost namespace: the last of a line such as `NSpid: 71 1`.
fn innermost_pid(status: &str) -> Option<u64> {
    let pids = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    pids.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests;
