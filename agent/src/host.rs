//! The host itself. In: files of procfs and sysfs. Out: points on a sheet. Each file is its own: what is missing or damaged is left out, the rest is told.

pub(crate) mod address;
mod cpu;
pub(crate) mod disk;
mod filesystem;
mod memory;
pub(crate) mod network;
pub(crate) mod pressure;

use std::path::{Path, PathBuf};

use crate::config::Paths;
use crate::file;
use crate::instrument::{SYSTEM_PRESSURE_STALL_TIME, SYSTEM_UPTIME};
use crate::sheet::Sheet;

/// Reads what the whole host shows.
#[derive(Debug)]
pub(crate) struct HostProbe {
    paths: Paths,
    ticks_per_s: f64,
}

impl HostProbe {
    pub(crate) fn new(paths: Paths) -> Self {
        Self {
            paths,
            ticks_per_s: ticks_per_s(),
        }
    }

    pub(crate) fn observe(&self, sheet: &mut Sheet) {
        let Paths {
            proc, sys, root, ..
        } = &self.paths;
        let read = |name: &str| file::read(&proc.join(name), file::LONG_BYTES_MAX);
        let of_init = |name: &str| file::of_init(proc, name, file::LONG_BYTES_MAX);
        let text = |content: Option<String>| content.unwrap_or_default();

        let uptime = text(read("uptime"));
        let uptime_s = uptime
            .split_whitespace()
            .next()
            .and_then(|s| s.parse().ok());
        sheet.put(&SYSTEM_UPTIME, finite(uptime_s), &[]);
        cpu::put_times(sheet, &text(read("stat")), self.ticks_per_s);
        cpu::put_load(sheet, &text(read("loadavg")));
        memory::put_memory(sheet, &text(read("meminfo")));
        memory::put_paging(sheet, &text(read("vmstat")));
        for resource in pressure::RESOURCES {
            let content = text(read(&format!("pressure/{resource}")));
            pressure::put(sheet, &SYSTEM_PRESSURE_STALL_TIME, resource, &content);
        }
        disk::put(sheet, &text(read("diskstats")), |name| is_disk(sys, name));
        filesystem::put(sheet, &text(of_init("mounts")), root);
        network::put_interfaces(sheet, &text(of_init("net/dev")));
        let snmp = text(of_init("net/snmp"));
        network::put_tcp(sheet, &snmp, &text(of_init("net/netstat")));
        network::put_connections(sheet, &snmp, &text(of_init("net/sockstat")));
        network::put_conntrack(sheet, proc);
    }
}

/// Ticks in which the kernel counts CPU time.
pub(crate) fn ticks_per_s() -> f64 {
    rustix::param::clock_ticks_per_second().max(1) as f64
}

/// When the host was booted, in seconds since 1970, by its own clock.
pub(crate) fn boot_unix_s(proc: &Path) -> Option<u64> {
    file::field(
        &file::read(&proc.join("stat"), file::LONG_BYTES_MAX)?,
        "btime",
    )
}

/// A number that is one: text such as `nan` and `inf` parses too.
fn finite(number: Option<f64>) -> Option<f64> {
    number.filter(|n| n.is_finite())
}

/// Whether this is a whole disk: a partition has no folder of its own. Where the list of disks cannot be seen, everything counts.
fn is_disk(sys: &Path, name: &str) -> bool {
    let disks: PathBuf = sys.join("block");
    !disks.is_dir() || disks.join(name).exists()
}

#[cfg(test)]
mod tests;
