//! How much memory the process may use: 60 % of its control group's limit, or of the machine's memory where there is no lower limit.

use std::path::Path;

/// Share of what there is that this process takes, in percent.
const SHARE_PERCENT: u64 = 60;
/// Assumed where nothing can be read.
const UNKNOWN_BYTES: u64 = 2 << 30;

/// Bytes that the process may use in all.
pub(crate) fn limit_bytes() -> u64 {
    let groups = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = groups
        .iter()
        .filter_map(|path| read(Path::new(path))?.trim().parse::<u64>().ok());
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total_bytes(&text));
    limits.chain(machine).min().unwrap_or(UNKNOWN_BYTES) / 100 * SHARE_PERCENT
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemTotal` of /proc/meminfo, which is in KiB.
fn total_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_memory_is_read_in_bytes() {
        assert_eq!(
            total_bytes("MemTotal:       24000000 kB\nMemFree: 1 kB\n"),
            Some(24_000_000 << 10)
        );
        assert_eq!(total_bytes("MemFree: 1 kB\n"), None);
        assert!(limit_bytes() > 0);
    }
}
