//! What the agent measures: names and units as the OpenTelemetry semantic conventions (and, where those are silent, the Collector's receivers) have them.
//! Those marked "ours" exist in neither. docs/agent.md lists them all; a test holds the two together.

/// A metric's name, unit and kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Instrument {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
}

/// What its values do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A sum that only grows, from its start time on.
    Counter,
    /// A sum that goes up and down.
    UpDown,
    /// A value by itself, which sums to nothing.
    Gauge,
}

macro_rules! instruments {
    ($($constant:ident = $kind:ident $name:literal $unit:literal;)*) => {
        $(pub(crate) const $constant: Instrument = Instrument { name: $name, unit: $unit, kind: Kind::$kind };)*
        /// Every instrument there is.
        #[cfg(test)]
        pub(crate) const ALL: &[Instrument] = &[$($constant),*];
    };
}

instruments! {
    SYSTEM_UPTIME = Gauge "system.uptime" "s";
    SYSTEM_CPU_TIME = Counter "system.cpu.time" "s";
    SYSTEM_CPU_LOGICAL_COUNT = UpDown "system.cpu.logical.count" "{cpu}";
    SYSTEM_CPU_LOAD_1M = Gauge "system.cpu.load_average.1m" "{thread}";
    SYSTEM_CPU_LOAD_5M = Gauge "system.cpu.load_average.5m" "{thread}";
    SYSTEM_CPU_LOAD_15M = Gauge "system.cpu.load_average.15m" "{thread}";
    SYSTEM_MEMORY_USAGE = UpDown "system.memory.usage" "By";
    SYSTEM_MEMORY_UTILIZATION = Gauge "system.memory.utilization" "1";
    SYSTEM_MEMORY_LIMIT = UpDown "system.memory.limit" "By";
    SYSTEM_MEMORY_AVAILABLE = UpDown "system.memory.linux.available" "By";
    // ours
    SYSTEM_MEMORY_OOM_KILLS = Counter "system.memory.oom_kills" "{process}";
    SYSTEM_PAGING_USAGE = UpDown "system.paging.usage" "By";
    SYSTEM_PAGING_FAULTS = Counter "system.paging.faults" "{fault}";
    SYSTEM_PAGING_OPERATIONS = Counter "system.paging.operations" "{operation}";
    // ours
    SYSTEM_PRESSURE_STALL_TIME = Counter "system.pressure.stall_time" "s";
    SYSTEM_DISK_IO = Counter "system.disk.io" "By";
    SYSTEM_DISK_OPERATIONS = Counter "system.disk.operations" "{operation}";
    SYSTEM_DISK_MERGED = Counter "system.disk.merged" "{operation}";
    SYSTEM_DISK_IO_TIME = Counter "system.disk.io_time" "s";
    SYSTEM_DISK_OPERATION_TIME = Counter "system.disk.operation_time" "s";
    SYSTEM_DISK_PENDING_OPERATIONS = UpDown "system.disk.pending_operations" "{operation}";
    SYSTEM_FILESYSTEM_USAGE = UpDown "system.filesystem.usage" "By";
    SYSTEM_FILESYSTEM_UTILIZATION = Gauge "system.filesystem.utilization" "1";
    SYSTEM_FILESYSTEM_INODES_USAGE = UpDown "system.filesystem.inodes.usage" "{inode}";
    SYSTEM_NETWORK_IO = Counter "system.network.io" "By";
    SYSTEM_NETWORK_PACKETS = Counter "system.network.packet.count" "{packet}";
    SYSTEM_NETWORK_ERRORS = Counter "system.network.errors" "{error}";
    SYSTEM_NETWORK_DROPPED = Counter "system.network.packet.dropped" "{packet}";
    SYSTEM_NETWORK_CONNECTIONS = UpDown "system.network.connection.count" "{connection}";
    // ours
    SYSTEM_TCP_SEGMENTS = Counter "system.network.tcp.segments" "{segment}";
    // ours
    SYSTEM_TCP_LISTEN_DROPS = Counter "system.network.tcp.listen_drops" "{connection}";
    SYSTEM_CONNTRACK_COUNT = UpDown "system.network.conntrack.count" "{entry}";
    SYSTEM_CONNTRACK_MAX = UpDown "system.network.conntrack.max" "{entry}";

    CONTAINER_UPTIME = Gauge "container.uptime" "s";
    CONTAINER_CPU_TIME = Counter "container.cpu.time" "s";
    CONTAINER_CPU_LIMIT = Gauge "container.cpu.limit" "{cpu}";
    CONTAINER_CPU_PERIODS = Counter "container.cpu.throttling_data.periods" "{period}";
    CONTAINER_CPU_THROTTLED_PERIODS = Counter "container.cpu.throttling_data.throttled_periods" "{period}";
    CONTAINER_CPU_THROTTLED_TIME = Counter "container.cpu.throttling_data.throttled_time" "ns";
    CONTAINER_MEMORY_USAGE = UpDown "container.memory.usage.total" "By";
    CONTAINER_MEMORY_WORKING_SET = UpDown "container.memory.working_set" "By";
    CONTAINER_MEMORY_RSS = UpDown "container.memory.rss" "By";
    CONTAINER_MEMORY_CACHE = UpDown "container.memory.cache" "By";
    CONTAINER_MEMORY_LIMIT = UpDown "container.memory.usage.limit" "By";
    CONTAINER_PAGING_FAULTS = Counter "container.paging.faults" "{fault}";
    // ours
    CONTAINER_MEMORY_EVENTS = Counter "container.memory.events" "{event}";
    // ours
    CONTAINER_MEMORY_OOM_KILLS = Counter "container.memory.oom_kills" "{process}";
    CONTAINER_DISK_IO = Counter "container.disk.io" "By";
    // ours
    CONTAINER_DISK_OPERATIONS = Counter "container.disk.operations" "{operation}";
    CONTAINER_NETWORK_IO = Counter "container.network.io" "By";
    // ours
    CONTAINER_NETWORK_ERRORS = Counter "container.network.errors" "{error}";
    // ours
    CONTAINER_NETWORK_DROPPED = Counter "container.network.packet.dropped" "{packet}";
    CONTAINER_PIDS_COUNT = UpDown "container.pids.count" "{process}";
    CONTAINER_PIDS_LIMIT = UpDown "container.pids.limit" "{process}";
    // ours
    CONTAINER_PRESSURE_STALL_TIME = Counter "container.pressure.stall_time" "s";

    PROCESS_UPTIME = Gauge "process.uptime" "s";
    PROCESS_CPU_TIME = Counter "process.cpu.time" "s";
    PROCESS_MEMORY_USAGE = UpDown "process.memory.usage" "By";
    PROCESS_THREAD_COUNT = UpDown "process.thread.count" "{thread}";
    PROCESS_FILE_DESCRIPTOR_COUNT = UpDown "process.unix.file_descriptor.count" "{file_descriptor}";
    // ours
    PROCESS_FILE_DESCRIPTOR_LIMIT = UpDown "process.unix.file_descriptor.limit" "{file_descriptor}";
    PROCESS_DISK_IO = Counter "process.disk.io" "By";
    PROCESS_PAGING_FAULTS = Counter "process.paging.faults" "{fault}";

    // ours, about the agent itself
    AGENT_PROBE_TIME = Counter "tracewell.agent.probe.time" "s";
    AGENT_PROBE_INTERVAL = Gauge "tracewell.agent.probe.interval" "s";
    AGENT_POINTS_SENT = Counter "tracewell.agent.points.sent" "{point}";
    AGENT_POINTS_DROPPED = Counter "tracewell.agent.points.dropped" "{point}";
    AGENT_BUFFER_USAGE = UpDown "tracewell.agent.buffer.usage" "By";
}

/// Names of the attributes of points.
pub(crate) mod key {
    pub(crate) const CPU_MODE: &str = "cpu.mode";
    pub(crate) const CPU_LOGICAL_NUMBER: &str = "cpu.logical_number";
    pub(crate) const MEMORY_STATE: &str = "system.memory.state";
    pub(crate) const PAGING_STATE: &str = "system.paging.state";
    pub(crate) const PAGING_FAULT_TYPE: &str = "system.paging.fault.type";
    pub(crate) const PAGING_DIRECTION: &str = "system.paging.direction";
    pub(crate) const DEVICE: &str = "system.device";
    pub(crate) const DISK_IO_DIRECTION: &str = "disk.io.direction";
    pub(crate) const FILESYSTEM_STATE: &str = "system.filesystem.state";
    pub(crate) const FILESYSTEM_MOUNTPOINT: &str = "system.filesystem.mountpoint";
    pub(crate) const FILESYSTEM_TYPE: &str = "system.filesystem.type";
    pub(crate) const INTERFACE: &str = "network.interface.name";
    pub(crate) const NETWORK_IO_DIRECTION: &str = "network.io.direction";
    pub(crate) const NETWORK_TRANSPORT: &str = "network.transport";
    pub(crate) const NETWORK_CONNECTION_STATE: &str = "network.connection.state";
    /// Ours: received, sent or retransmitted.
    pub(crate) const TCP_SEGMENT_TYPE: &str = "tcp.segment.type";
    /// Ours: cpu, memory, io or irq.
    pub(crate) const PRESSURE_RESOURCE: &str = "pressure.resource";
    /// Ours: some (at least one task waits) or full (all wait).
    pub(crate) const PRESSURE_KIND: &str = "pressure.kind";
    /// Ours: low, high, max, oom.
    pub(crate) const MEMORY_EVENT: &str = "container.memory.event";
    /// Ours: host, container or process.
    pub(crate) const PROBE: &str = "tracewell.agent.probe";
    /// Ours: why points were dropped.
    pub(crate) const REASON: &str = "reason";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_instrument_is_in_the_users_table_with_its_unit() {
        let table = include_str!("../../docs/agent.md");
        for instrument in ALL {
            let row = table
                .lines()
                .find(|line| {
                    line.starts_with('|') && line.contains(&format!("`{}`", instrument.name))
                })
                .unwrap_or_else(|| panic!("docs/agent.md has no row of `{}`", instrument.name));
            assert!(row.contains(&format!("| {} |", instrument.unit)), "{row}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        let names: BTreeSet<&str> = ALL.iter().map(|i| i.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
