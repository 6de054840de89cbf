//! Signals of a host's processors and memory.

use super::Expression::{Rate, Ratio, Rest, Value};
use super::{Bad, By, MODE, Part, Signal, all, but, only, source};

const IDLE: &[&str] = &["idle", "iowait", "wait"];
const PRESSURE: Option<Part> = Some(Part {
    word: "resource",
    labels: &["pressure_resource"],
});

/// What is asked of a host's processors and memory.
pub(super) const HOST: &[Signal] = &[
    Signal {
        name: "host.cpu",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.90),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(but("system_cpu_time_seconds_total", MODE, IDLE)),
                    &Rate(all("system_cpu_time_seconds_total")),
                ),
            ),
            source(
                By::Resource,
                Ratio(
                    &Value(but("system_cpu_utilization_ratio", MODE, IDLE)),
                    &Value(all("system_cpu_utilization_ratio")),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Rate(but("node_cpu_seconds_total", MODE, IDLE)),
                    &Rate(all("node_cpu_seconds_total")),
                ),
            ),
        ],
    },
    Signal {
        name: "host.steal",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.10),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(only("system_cpu_time_seconds_total", MODE, &["steal"])),
                    &Rate(all("system_cpu_time_seconds_total")),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Rate(only("node_cpu_seconds_total", MODE, &["steal"])),
                    &Rate(all("node_cpu_seconds_total")),
                ),
            ),
        ],
    },
    Signal {
        name: "host.load",
        unit: "{thread}",
        bad: Bad::High,
        floor: 0.5,
        limit: None,
        part: None,
        sources: &[
            source(By::Resource, Value(all("system_cpu_load_average_1m"))),
            source(By::NodeExporter, Value(all("node_load1"))),
        ],
    },
    Signal {
        name: "host.mem_free",
        unit: "1",
        bad: Bad::Low,
        floor: 0.01,
        limit: Some(0.05),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Value(all("system_memory_linux_available_bytes")),
                    &Value(all("system_memory_limit_bytes")),
                ),
            ),
            source(
                By::Resource,
                Rest(&Ratio(
                    &Value(only(
                        "system_memory_usage_bytes",
                        &["system_memory_state", "state"],
                        &["used"],
                    )),
                    &Value(all("system_memory_usage_bytes")),
                )),
            ),
            source(
                By::Resource,
                Rest(&Value(only(
                    "system_memory_utilization_ratio",
                    &["system_memory_state", "state"],
                    &["used"],
                ))),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Value(all("node_memory_MemAvailable_bytes")),
                    &Value(all("node_memory_MemTotal_bytes")),
                ),
            ),
        ],
    },
    Signal {
        name: "host.major_faults",
        unit: "{fault}/s",
        bad: Bad::High,
        floor: 0.1,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only(
                    "system_paging_faults_total",
                    &["system_paging_fault_type", "type"],
                    &["major"],
                )),
            ),
            source(By::NodeExporter, Rate(all("node_vmstat_pgmajfault"))),
        ],
    },
    Signal {
        name: "host.oom",
        unit: "{process}/s",
        bad: Bad::High,
        floor: 0.001,
        limit: Some(0.000_001),
        part: None,
        sources: &[
            source(By::Resource, Rate(all("system_memory_oom_kills_total"))),
            source(By::NodeExporter, Rate(all("node_vmstat_oom_kill"))),
        ],
    },
    Signal {
        name: "host.pressure",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.20),
        part: PRESSURE,
        sources: &[source(
            By::Resource,
            Rate(only(
                "system_pressure_stall_time_seconds_total",
                &["pressure_kind"],
                &["some"],
            )),
        )],
    },
];
