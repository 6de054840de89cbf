//! Control groups of version 1: each controller has a tree of its own, and a container the same path in each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::usage::{DISKS_MAX, DiskUsage, Usage};
use super::v2;
use crate::file::{field, number, read_short};
use crate::host::ticks_per_s;

/// "No limit" is the largest number of whole pages; nothing real comes near half of it.
const MEMORY_LIMIT_BYTES_MAX: u64 = 1 << 62;

pub(super) fn usage(root: &Path, group: &Path) -> Usage {
    let cpuacct = place(root, &["cpuacct", "cpu,cpuacct", "cpuacct,cpu"], group);
    let cpu = place(root, &["cpu", "cpu,cpuacct", "cpuacct,cpu"], group);
    let memory = place(root, &["memory"], group);
    let blkio = place(root, &["blkio"], group);
    let pids = place(root, &["pids"], group);
    let (cpu_user_s, cpu_system_s) = cpu_times(&cpuacct);
    let cpu_stat = text(&cpu, "cpu.stat");
    let stat = text(&memory, "memory.stat");
    // Figures with `total_` count the groups below as well.
    let in_stat = |name| field(&stat, &format!("total_{name}")).or_else(|| field(&stat, name));
    let limit = number(&memory.join("memory.limit_in_bytes"));
    let oom = text(&memory, "memory.oom_control");
    Usage {
        cpu_user_s,
        cpu_system_s,
        cpu_limit: cpu_limit(&cpu),
        periods: field(&cpu_stat, "nr_periods"),
        throttled_periods: field(&cpu_stat, "nr_throttled"),
        throttled_ns: field(&cpu_stat, "throttled_time"),
        memory_bytes: number(&memory.join("memory.usage_in_bytes")),
        inactive_file_bytes: in_stat("inactive_file"),
        rss_bytes: in_stat("rss"),
        cache_bytes: in_stat("cache"),
        memory_limit_bytes: limit.filter(|bytes| *bytes < MEMORY_LIMIT_BYTES_MAX),
        faults: in_stat("pgfault"),
        major_faults: in_stat("pgmajfault"),
        memory_events: number(&memory.join("memory.failcnt"))
            .map(|count| ("max", count))
            .into_iter()
            .collect(),
        oom_kills: field(&oom, "oom_kill"),
        disks: disks(&blkio),
        pids: number(&pids.join("pids.current")),
        pids_limit: number(&pids.join("pids.max")),
        pressure: v2::pressure(&root.join("unified").join(group)),
    }
}

/// The folder of a group in the tree of a controller, by the first of the tree's names that there is.
fn place(root: &Path, controllers: &[&str], group: &Path) -> PathBuf {
    let mut places = controllers.iter().map(|name| root.join(name).join(group));
    // The root itself holds trees and no figures.
    places
        .find(|place| place.is_dir())
        .unwrap_or_else(|| root.to_owned())
}

fn text(place: &Path, name: &str) -> String {
    read_short(&place.join(name)).unwrap_or_default()
}

/// In ns where the kernel tells it so, else in ticks.
fn cpu_times(cpuacct: &Path) -> (Option<f64>, Option<f64>) {
    let ns = |name: &str| number(&cpuacct.join(name)).map(|ns| ns as f64 / 1e9);
    let stat = text(cpuacct, "cpuacct.stat");
    let ticks = |name| field(&stat, name).map(|ticks| ticks as f64 / ticks_per_s());
    (
        ns("cpuacct.usage_user").or_else(|| ticks("user")),
        ns("cpuacct.usage_sys").or_else(|| ticks("system")),
    )
}

/// A quota of -1 is no limit.
fn cpu_limit(cpu: &Path) -> Option<f64> {
    let quota_us = number(&cpu.join("cpu.cfs_quota_us"))?;
    let period_us = number(&cpu.join("cpu.cfs_period_us")).filter(|us| *us > 0)?;
    Some(quota_us as f64 / period_us as f64)
}

fn disks(blkio: &Path) -> BTreeMap<String, DiskUsage> {
    let mut disks = BTreeMap::new();
    let file = |name: &str| {
        let recursive = text(blkio, &format!("{name}_recursive"));
        if recursive.is_empty() {
            text(blkio, name)
        } else {
            recursive
        }
    };
    let bytes = file("blkio.throttle.io_service_bytes");
    let operations = file("blkio.throttle.io_serviced");
    fold(&mut disks, &bytes, |disk| {
        (&mut disk.read_bytes, &mut disk.write_bytes)
    });
    fold(&mut disks, &operations, |disk| {
        (&mut disk.reads, &mut disk.writes)
    });
    disks
}

/// Lines such as `8:0 Read 4096`.
fn fold(
    disks: &mut BTreeMap<String, DiskUsage>,
    content: &str,
    figures: impl Fn(&mut DiskUsage) -> (&mut Option<u64>, &mut Option<u64>),
) {
    for line in content.lines() {
        let mut words = line.split_whitespace();
        let (Some(device), Some(kind), Some(value)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if !matches!(kind, "Read" | "Write")
            || (disks.len() >= DISKS_MAX && !disks.contains_key(device))
        {
            continue;
        }
        let Ok(value) = value.parse() else { continue };
        let (read, write) = figures(disks.entry(device.to_owned()).or_default());
        *(if kind == "Read" { read } else { write }) = Some(value);
    }
}
