//! Signals of a container.

use super::Expression::{Rate, Ratio, Value};
use super::{Bad, By, DIRECTION, Part, Signal, all, only, scaled, source};

const NS: f64 = 1e-9;
const PRESSURE: Option<Part> = Some(Part {
    word: "resource",
    labels: &["pressure_resource"],
});

/// What is asked of a container.
pub(super) const CONTAINER: &[Signal] = &[
    Signal {
        name: "container.cpu",
        unit: "{cpu}",
        bad: Bad::High,
        floor: 0.05,
        limit: None,
        part: None,
        sources: &[
            source(By::Resource, Value(all("container_cpu_usage"))),
            source(By::Resource, Rate(all("container_cpu_time_seconds_total"))),
            scaled(
                By::Resource,
                Rate(all("container_cpu_usage_nanoseconds_total")),
                NS,
            ),
            source(By::Resource, Value(all("k8s_container_cpu_usage"))),
            source(By::Cadvisor, Rate(all("container_cpu_usage_seconds_total"))),
        ],
    },
    Signal {
        name: "container.cpu_limit",
        unit: "{cpu}",
        bad: Bad::No,
        floor: 0.05,
        limit: None,
        part: None,
        sources: &[
            source(By::Resource, Value(all("container_cpu_limit"))),
            source(By::Resource, Value(all("k8s_container_cpu_limit"))),
            source(
                By::Cadvisor,
                Ratio(
                    &Value(all("container_spec_cpu_quota")),
                    &Value(all("container_spec_cpu_period")),
                ),
            ),
        ],
    },
    Signal {
        name: "container.throttled",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.10),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(all("container_cpu_throttling_data_throttled_periods_total")),
                    &Rate(all("container_cpu_throttling_data_periods_total")),
                ),
            ),
            source(
                By::Cadvisor,
                Ratio(
                    &Rate(all("container_cpu_cfs_throttled_periods_total")),
                    &Rate(all("container_cpu_cfs_periods_total")),
                ),
            ),
        ],
    },
    Signal {
        name: "container.memory",
        unit: "By",
        bad: Bad::High,
        floor: 16_777_216.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Value(all("container_memory_working_set_bytes")),
            ),
            source(
                By::Resource,
                Value(all("container_memory_usage_total_bytes")),
            ),
            source(
                By::Cadvisor,
                Value(all("container_memory_working_set_bytes")),
            ),
        ],
    },
    Signal {
        name: "container.memory_ratio",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.95),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Value(all("container_memory_working_set_bytes")),
                    &Value(all("container_memory_usage_limit_bytes")),
                ),
            ),
            source(
                By::Resource,
                Ratio(
                    &Value(all("container_memory_usage_total_bytes")),
                    &Value(all("container_memory_usage_limit_bytes")),
                ),
            ),
            source(
                By::Resource,
                Value(all("k8s_container_memory_limit_utilization_ratio")),
            ),
            source(
                By::Cadvisor,
                Ratio(
                    &Value(all("container_memory_working_set_bytes")),
                    &Value(all("container_spec_memory_limit_bytes")),
                ),
            ),
        ],
    },
    Signal {
        name: "container.oom",
        unit: "{process}/s",
        bad: Bad::High,
        floor: 0.001,
        limit: Some(0.000_001),
        part: None,
        sources: &[
            source(By::Resource, Rate(all("container_memory_oom_kills_total"))),
            source(By::Cadvisor, Rate(all("container_oom_events_total"))),
        ],
    },
    Signal {
        name: "container.pressure",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.20),
        part: PRESSURE,
        sources: &[source(
            By::Resource,
            Rate(only(
                "container_pressure_stall_time_seconds_total",
                &["pressure_kind"],
                &["some"],
            )),
        )],
    },
    Signal {
        name: "container.disk_read",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only("container_disk_io_bytes_total", DIRECTION, &["read"])),
            ),
            source(By::Cadvisor, Rate(all("container_fs_reads_bytes_total"))),
        ],
    },
    Signal {
        name: "container.disk_write",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only("container_disk_io_bytes_total", DIRECTION, &["write"])),
            ),
            source(By::Cadvisor, Rate(all("container_fs_writes_bytes_total"))),
        ],
    },
    Signal {
        name: "container.net_receive",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only(
                    "container_network_io_bytes_total",
                    DIRECTION,
                    &["receive"],
                )),
            ),
            source(
                By::Resource,
                Rate(all("container_network_io_usage_rx_bytes_total")),
            ),
            source(
                By::Cadvisor,
                Rate(all("container_network_receive_bytes_total")),
            ),
        ],
    },
    Signal {
        name: "container.net_transmit",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only(
                    "container_network_io_bytes_total",
                    DIRECTION,
                    &["transmit"],
                )),
            ),
            source(
                By::Resource,
                Rate(all("container_network_io_usage_tx_bytes_total")),
            ),
            source(
                By::Cadvisor,
                Rate(all("container_network_transmit_bytes_total")),
            ),
        ],
    },
];
