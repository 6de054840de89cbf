//! Signals of a host's disks and file systems.

use super::Expression::{Rate, Ratio, Rest, Value};
use super::{Bad, By, Part, Signal, all, only, source};

const DISK: Option<Part> = Some(Part {
    word: "disk",
    labels: &["system_device", "device"],
});
const MOUNT: Option<Part> = Some(Part {
    word: "mount",
    labels: &["system_filesystem_mountpoint", "mountpoint"],
});

const STATE: &[&str] = &["system_filesystem_state", "state"];
const USED: &[&str] = &["used"];

/// What is asked of each disk and file system.
pub(super) const DISKS: &[Signal] = &[
    Signal {
        name: "disk.busy",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.95),
        part: DISK,
        sources: &[
            source(By::Resource, Rate(all("system_disk_io_time_seconds_total"))),
            source(
                By::NodeExporter,
                Rate(all("node_disk_io_time_seconds_total")),
            ),
        ],
    },
    Signal {
        name: "disk.await",
        unit: "s",
        bad: Bad::High,
        floor: 0.001,
        limit: None,
        part: DISK,
        sources: &[source(
            By::Resource,
            Ratio(
                &Rate(all("system_disk_operation_time_seconds_total")),
                &Rate(all("system_disk_operations_total")),
            ),
        )],
    },
    Signal {
        name: "disk.queue",
        unit: "{operation}",
        bad: Bad::High,
        floor: 0.5,
        limit: None,
        part: DISK,
        sources: &[
            source(By::Resource, Value(all("system_disk_pending_operations"))),
            source(By::NodeExporter, Value(all("node_disk_io_now"))),
        ],
    },
    Signal {
        name: "fs.used",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.95),
        part: MOUNT,
        sources: &[
            source(
                By::Resource,
                Value(all("system_filesystem_utilization_ratio")),
            ),
            source(
                By::Resource,
                Ratio(
                    &Value(only("system_filesystem_usage_bytes", STATE, USED)),
                    &Value(all("system_filesystem_usage_bytes")),
                ),
            ),
            source(
                By::NodeExporter,
                Rest(&Ratio(
                    &Value(all("node_filesystem_avail_bytes")),
                    &Value(all("node_filesystem_size_bytes")),
                )),
            ),
        ],
    },
    Signal {
        name: "fs.inodes",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.95),
        part: MOUNT,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Value(only("system_filesystem_inodes_usage", STATE, USED)),
                    &Value(all("system_filesystem_inodes_usage")),
                ),
            ),
            source(
                By::NodeExporter,
                Rest(&Ratio(
                    &Value(all("node_filesystem_files_free")),
                    &Value(all("node_filesystem_files")),
                )),
            ),
        ],
    },
];
