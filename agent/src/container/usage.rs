//! What a container uses, whichever version of control groups told it.

use std::collections::BTreeMap;

use crate::host::pressure;
use crate::instrument::{
    CONTAINER_CPU_LIMIT, CONTAINER_CPU_PERIODS, CONTAINER_CPU_THROTTLED_PERIODS,
    CONTAINER_CPU_THROTTLED_TIME, CONTAINER_CPU_TIME, CONTAINER_DISK_IO, CONTAINER_DISK_OPERATIONS,
    CONTAINER_MEMORY_CACHE, CONTAINER_MEMORY_EVENTS, CONTAINER_MEMORY_LIMIT,
    CONTAINER_MEMORY_OOM_KILLS, CONTAINER_MEMORY_RSS, CONTAINER_MEMORY_USAGE,
    CONTAINER_MEMORY_WORKING_SET, CONTAINER_PAGING_FAULTS, CONTAINER_PIDS_COUNT,
    CONTAINER_PIDS_LIMIT, CONTAINER_PRESSURE_STALL_TIME, Instrument, key,
};
use crate::sheet::Sheet;

/// Figures of one container. What its kernel or version does not tell is `None`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) cpu_user_s: Option<f64>,
    pub(super) cpu_system_s: Option<f64>,
    /// CPUs it may use. `None`: as many as there are.
    pub(super) cpu_limit: Option<f64>,
    pub(super) periods: Option<u64>,
    pub(super) throttled_periods: Option<u64>,
    pub(super) throttled_ns: Option<u64>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) inactive_file_bytes: Option<u64>,
    pub(super) rss_bytes: Option<u64>,
    pub(super) cache_bytes: Option<u64>,
    /// `None`: no limit.
    pub(super) memory_limit_bytes: Option<u64>,
    /// Page faults of both kinds.
    pub(super) faults: Option<u64>,
    pub(super) major_faults: Option<u64>,
    /// Times that usage met a bound, by the bound's name.
    pub(super) memory_events: Vec<(&'static str, u64)>,
    pub(super) oom_kills: Option<u64>,
    /// By `major:minor` of the device.
    pub(super) disks: BTreeMap<String, DiskUsage>,
    pub(super) pids: Option<u64>,
    /// `None`: no limit.
    pub(super) pids_limit: Option<u64>,
    /// Content of a pressure file, by resource.
    pub(super) pressure: Vec<(&'static str, String)>,
}

/// What a container did with one disk.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskUsage {
    pub(super) read_bytes: Option<u64>,
    pub(super) write_bytes: Option<u64>,
    pub(super) reads: Option<u64>,
    pub(super) writes: Option<u64>,
}

/// Disks told of in one container.
pub(super) const DISKS_MAX: usize = 64;

impl Usage {
    /// Puts it on a sheet. `disk_names` are names of devices by `major:minor`.
    pub(super) fn put(&self, sheet: &mut Sheet, disk_names: &BTreeMap<String, String>) {
        self.put_cpu(sheet);
        self.put_memory(sheet);
        for (device, disk) in self.disks.iter().take(DISKS_MAX) {
            disk.put(sheet, disk_names.get(device).unwrap_or(device));
        }
        sheet.put(&CONTAINER_PIDS_COUNT, self.pids, &[]);
        sheet.put(&CONTAINER_PIDS_LIMIT, self.pids_limit, &[]);
        for (resource, content) in &self.pressure {
            pressure::put(sheet, &CONTAINER_PRESSURE_STALL_TIME, resource, content);
        }
    }

    fn put_cpu(&self, sheet: &mut Sheet) {
        for (mode, time_s) in [("user", self.cpu_user_s), ("system", self.cpu_system_s)] {
            sheet.put(&CONTAINER_CPU_TIME, time_s, &[(key::CPU_MODE, mode.into())]);
        }
        sheet.put(&CONTAINER_CPU_LIMIT, self.cpu_limit, &[]);
        sheet.put(&CONTAINER_CPU_PERIODS, self.periods, &[]);
        sheet.put(
            &CONTAINER_CPU_THROTTLED_PERIODS,
            self.throttled_periods,
            &[],
        );
        sheet.put(&CONTAINER_CPU_THROTTLED_TIME, self.throttled_ns, &[]);
    }

    fn put_memory(&self, sheet: &mut Sheet) {
        // File pages that nobody touched lately are given back before anybody suffers.
        let inactive = self.inactive_file_bytes.unwrap_or(0);
        let working_set = self.memory_bytes.map(|all| all.saturating_sub(inactive));
        let figures: [(&Instrument, Option<u64>); 5] = [
            (&CONTAINER_MEMORY_USAGE, self.memory_bytes),
            (&CONTAINER_MEMORY_WORKING_SET, working_set),
            (&CONTAINER_MEMORY_RSS, self.rss_bytes),
            (&CONTAINER_MEMORY_CACHE, self.cache_bytes),
            (&CONTAINER_MEMORY_LIMIT, self.memory_limit_bytes),
        ];
        for (instrument, bytes) in figures {
            sheet.put(instrument, bytes, &[]);
        }
        let minor = self.faults.zip(self.major_faults);
        let minor = minor.map(|(all, major)| all.saturating_sub(major));
        for (kind, count) in [("major", self.major_faults), ("minor", minor)] {
            let attributes = [(key::PAGING_FAULT_TYPE, kind.into())];
            sheet.put(&CONTAINER_PAGING_FAULTS, count, &attributes);
        }
        for (event, count) in &self.memory_events {
            let attributes = [(key::MEMORY_EVENT, (*event).into())];
            sheet.put(&CONTAINER_MEMORY_EVENTS, *count, &attributes);
        }
        sheet.put(&CONTAINER_MEMORY_OOM_KILLS, self.oom_kills, &[]);
    }
}

impl DiskUsage {
    fn put(&self, sheet: &mut Sheet, device: &str) {
        for (direction, bytes, operations) in [
            ("read", self.read_bytes, self.reads),
            ("write", self.write_bytes, self.writes),
        ] {
            let attributes = [
                (key::DEVICE, device.into()),
                (key::DISK_IO_DIRECTION, direction.into()),
            ];
            sheet.put(&CONTAINER_DISK_IO, bytes, &attributes);
            sheet.put(&CONTAINER_DISK_OPERATIONS, operations, &attributes);
        }
    }
}
