//! Control groups of version 2: all figures of a group lie in one folder.

use std::collections::BTreeMap;
use std::path::Path;

use super::usage::{DiskUsage, Usage};
use crate::file::{field, number, read_short};

/// Kinds of `memory.events` that are told; kills are a figure of their own.
const EVENTS: [&str; 4] = ["low", "high", "max", "oom"];
const PRESSURES: [&str; 4] = ["cpu", "memory", "io", "irq"];

pub(super) fn usage(group: &Path) -> Usage {
    let text = |name: &str| read_short(&group.join(name)).unwrap_or_default();
    let cpu = text("cpu.stat");
    let memory = text("memory.stat");
    let events = text("memory.events");
    let seconds = |name| field(&cpu, name).map(|us| us as f64 / 1e6);
    Usage {
        cpu_user_s: seconds("user_usec"),
        cpu_system_s: seconds("system_usec"),
        cpu_limit: cpu_limit(&text("cpu.max")),
        periods: field(&cpu, "nr_periods"),
        throttled_periods: field(&cpu, "nr_throttled"),
        throttled_ns: field(&cpu, "throttled_usec").map(|us| us.saturating_mul(1_000)),
        memory_bytes: number(&group.join("memory.current")),
        inactive_file_bytes: field(&memory, "inactive_file"),
        rss_bytes: field(&memory, "anon"),
        cache_bytes: field(&memory, "file"),
        // "max" is no number, and no limit.
        memory_limit_bytes: number(&group.join("memory.max")),
        faults: field(&memory, "pgfault"),
        major_faults: field(&memory, "pgmajfault"),
        memory_events: EVENTS
            .iter()
            .filter_map(|event| Some((*event, field(&events, event)?)))
            .collect(),
        oom_kills: field(&events, "oom_kill"),
        disks: disks(&text("io.stat")),
        pids: number(&group.join("pids.current")),
        pids_limit: number(&group.join("pids.max")),
        pressure: pressure(group),
    }
}

/// Pressure files of a group.
pub(super) fn pressure(group: &Path) -> Vec<(&'static str, String)> {
    let files = PRESSURES.iter().filter_map(|resource| {
        let content = read_short(&group.join(format!("{resource}.pressure")))?;
        Some((*resource, content))
    });
    files.collect()
}

/// `200000 100000`: µs of CPU in each period of so many µs. `max 100000`: no limit.
fn cpu_limit(cpu_max: &str) -> Option<f64> {
    let (quota_us, period_us) = cpu_max.trim().split_once(' ')?;
    let quota_us: u64 = quota_us.parse().ok()?;
    let period_us: u64 = period_us.parse().ok().filter(|us| *us > 0)?;
    Some(quota_us as f64 / period_us as f64)
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`
fn disks(io_stat: &str) -> BTreeMap<String, DiskUsage> {
    let lines = io_stat.lines().filter_map(|line| {
        let (device, figures) = line.split_once(' ')?;
        let figure = |name: &str| {
            let mut words = figures.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let disk = DiskUsage {
            read_bytes: figure("rbytes"),
            write_bytes: figure("wbytes"),
            reads: figure("rios"),
            writes: figure("wios"),
        };
        (disk != DiskUsage::default()).then(|| (device.to_owned(), disk))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_cpus() {
        for (text, expected) in [
            ("200000 100000\n", Some(2.0)),
            ("20000 100000", Some(0.2)),
            ("max 100000", None),
            ("1 0", None),
            ("", None),
            ("1", None),
        ] {
            assert_eq!(cpu_limit(text), expected, "{text:?}");
        }
    }

    #[test]
    fn disks_are_read_by_the_names_of_their_figures() {
        let disks =
            disks("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0\n8:16\n254:0 wios=7\n7:0 x=1\n");
        assert_eq!(disks.len(), 2);
        assert_eq!(disks["8:0"].write_bytes, Some(2));
        assert_eq!(disks["8:0"].reads, Some(3));
        assert_eq!(disks["254:0"].writes, Some(7));
        assert_eq!(disks["254:0"].read_bytes, None);
    }
}
