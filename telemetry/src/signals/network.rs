//! Signals of a host's network.

use super::Expression::{Rate, Ratio, Value};
use super::{Bad, By, DIRECTION, Signal, all, only, source};

/// What is asked of a host's network.
pub(super) const NETWORK: &[Signal] = &[
    Signal {
        name: "net.receive",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only(
                    "system_network_io_bytes_total",
                    DIRECTION,
                    &["receive"],
                )),
            ),
            source(
                By::NodeExporter,
                Rate(all("node_network_receive_bytes_total")),
            ),
        ],
    },
    Signal {
        name: "net.transmit",
        unit: "By/s",
        bad: Bad::High,
        floor: 1_048_576.0,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(only(
                    "system_network_io_bytes_total",
                    DIRECTION,
                    &["transmit"],
                )),
            ),
            source(
                By::NodeExporter,
                Rate(all("node_network_transmit_bytes_total")),
            ),
        ],
    },
    Signal {
        name: "net.retransmit",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.02),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(only(
                        "system_network_tcp_segments_total",
                        &["tcp_segment_type"],
                        &["retransmitted"],
                    )),
                    &Rate(only(
                        "system_network_tcp_segments_total",
                        &["tcp_segment_type"],
                        &["sent"],
                    )),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Rate(all("node_netstat_Tcp_RetransSegs")),
                    &Rate(all("node_netstat_Tcp_OutSegs")),
                ),
            ),
        ],
    },
    Signal {
        name: "net.drop",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(all("system_network_packet_dropped_total")),
                    &Rate(all("system_network_packet_count_total")),
                ),
            ),
            source(
                By::Resource,
                Ratio(
                    &Rate(all("system_network_dropped_total")),
                    &Rate(all("system_network_packets_total")),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Rate(all("node_network_receive_drop_total")),
                    &Rate(all("node_network_receive_packets_total")),
                ),
            ),
        ],
    },
    Signal {
        name: "net.error",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: None,
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Rate(all("system_network_errors_total")),
                    &Rate(all("system_network_packet_count_total")),
                ),
            ),
            source(
                By::Resource,
                Ratio(
                    &Rate(all("system_network_errors_total")),
                    &Rate(all("system_network_packets_total")),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Rate(all("node_network_receive_errs_total")),
                    &Rate(all("node_network_receive_packets_total")),
                ),
            ),
        ],
    },
    Signal {
        name: "net.listen_drops",
        unit: "{connection}/s",
        bad: Bad::High,
        floor: 0.1,
        limit: Some(0.000_001),
        part: None,
        sources: &[
            source(
                By::Resource,
                Rate(all("system_network_tcp_listen_drops_total")),
            ),
            source(
                By::NodeExporter,
                Rate(all("node_netstat_TcpExt_ListenDrops")),
            ),
        ],
    },
    Signal {
        name: "net.conntrack",
        unit: "1",
        bad: Bad::High,
        floor: 0.01,
        limit: Some(0.90),
        part: None,
        sources: &[
            source(
                By::Resource,
                Ratio(
                    &Value(all("system_network_conntrack_count")),
                    &Value(all("system_network_conntrack_max")),
                ),
            ),
            source(
                By::NodeExporter,
                Ratio(
                    &Value(all("node_nf_conntrack_entries")),
                    &Value(all("node_nf_conntrack_entries_limit")),
                ),
            ),
        ],
    },
];
