//! `/proc/meminfo` and `/proc/vmstat`: what memory is used for, and how the kernel gets it back.

use crate::file::field;
use crate::instrument::{
    SYSTEM_MEMORY_AVAILABLE, SYSTEM_MEMORY_LIMIT, SYSTEM_MEMORY_OOM_KILLS, SYSTEM_MEMORY_USAGE,
    SYSTEM_MEMORY_UTILIZATION, SYSTEM_PAGING_FAULTS, SYSTEM_PAGING_OPERATIONS, SYSTEM_PAGING_USAGE,
    key,
};
use crate::sheet::Sheet;

/// States sum to the memory there is: reclaimable kernel memory counts as cached, what is left as used.
pub(super) fn put_memory(sheet: &mut Sheet, meminfo: &str) {
    let bytes = |name| field(meminfo, name).map(|kib| kib.saturating_mul(1_024));
    sheet.put(&SYSTEM_MEMORY_AVAILABLE, bytes("MemAvailable"), &[]);
    if let (Some(total), Some(free)) = (bytes("MemTotal"), bytes("MemFree")) {
        let buffers = bytes("Buffers").unwrap_or(0);
        let reclaimable = bytes("SReclaimable").unwrap_or(0);
        let cached = bytes("Cached").unwrap_or(0).saturating_add(reclaimable);
        let used = total
            .saturating_sub(free)
            .saturating_sub(buffers)
            .saturating_sub(cached);
        sheet.put(&SYSTEM_MEMORY_LIMIT, total, &[]);
        for (state, bytes) in [
            ("used", used),
            ("free", free),
            ("buffers", buffers),
            ("cached", cached),
        ] {
            let attributes = [(key::MEMORY_STATE, state.into())];
            sheet.put(&SYSTEM_MEMORY_USAGE, bytes, &attributes);
            let share = (total > 0).then(|| bytes as f64 / total as f64);
            sheet.put(&SYSTEM_MEMORY_UTILIZATION, share, &attributes);
        }
    }
    if let (Some(total), Some(free)) = (bytes("SwapTotal"), bytes("SwapFree")) {
        for (state, bytes) in [("used", total.saturating_sub(free)), ("free", free)] {
            sheet.put(
                &SYSTEM_PAGING_USAGE,
                bytes,
                &[(key::PAGING_STATE, state.into())],
            );
        }
    }
}

pub(super) fn put_paging(sheet: &mut Sheet, vmstat: &str) {
    let faults = field(vmstat, "pgfault");
    let major = field(vmstat, "pgmajfault");
    let minor = faults
        .zip(major)
        .map(|(all, major)| all.saturating_sub(major));
    for (kind, count) in [("major", major), ("minor", minor)] {
        let attributes = [(key::PAGING_FAULT_TYPE, kind.into())];
        sheet.put(&SYSTEM_PAGING_FAULTS, count, &attributes);
    }
    for (direction, name) in [("in", "pswpin"), ("out", "pswpout")] {
        let attributes = [(key::PAGING_DIRECTION, direction.into())];
        sheet.put(&SYSTEM_PAGING_OPERATIONS, field(vmstat, name), &attributes);
    }
    sheet.put(&SYSTEM_MEMORY_OOM_KILLS, field(vmstat, "oom_kill"), &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_memory_sum_to_all_of_it() {
        let mut sheet = Sheet::for_test();
        put_memory(
            &mut sheet,
            "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 70 kB\nBuffers: 5 kB\nCached: 20 kB\nSReclaimable: 10 kB\n\
             SwapTotal: 8 kB\nSwapFree: 6 kB\n",
        );
        assert_eq!(
            sheet.lines(),
            [
                "system.memory.linux.available{} 71680",
                "system.memory.limit{} 102400",
                "system.memory.usage{system.memory.state=used} 25600",
                "system.memory.usage{system.memory.state=free} 40960",
                "system.memory.usage{system.memory.state=buffers} 5120",
                "system.memory.usage{system.memory.state=cached} 30720",
                "system.memory.utilization{system.memory.state=used} 0.25",
                "system.memory.utilization{system.memory.state=free} 0.4",
                "system.memory.utilization{system.memory.state=buffers} 0.05",
                "system.memory.utilization{system.memory.state=cached} 0.3",
                "system.paging.usage{system.paging.state=used} 2048",
                "system.paging.usage{system.paging.state=free} 6144",
            ]
        );
    }

    #[test]
    fn minor_faults_are_those_that_are_not_major() {
        let mut sheet = Sheet::for_test();
        put_paging(
            &mut sheet,
            "pgfault 10\npgmajfault 3\npswpin 1\npswpout 2\noom_kill 4\n",
        );
        assert_eq!(
            sheet.lines(),
            [
                "system.paging.faults{system.paging.fault.type=major} 3",
                "system.paging.faults{system.paging.fault.type=minor} 7",
                "system.paging.operations{system.paging.direction=in} 1",
                "system.paging.operations{system.paging.direction=out} 2",
                "system.memory.oom_kills{} 4",
            ]
        );
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let mut sheet = Sheet::for_test();
        let max = u64::MAX;
        put_memory(
            &mut sheet,
            &format!("MemTotal: 0\nMemFree: {max}\nCached: {max}\nSReclaimable: {max}\n"),
        );
        put_paging(&mut sheet, &format!("pgfault 0\npgmajfault {max}\n"));
        assert!(sheet.n_points() > 0);
    }
}
