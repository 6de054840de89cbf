//! `/proc/net/{dev,snmp,netstat,sockstat}` and conntrack: what interfaces and TCP did. `net/dev` of a container's process tells of the container.

use std::path::Path;

use crate::file::{self, word};
use crate::instrument::{
    CONTAINER_NETWORK_DROPPED, CONTAINER_NETWORK_ERRORS, CONTAINER_NETWORK_IO, Instrument,
    SYSTEM_CONNTRACK_COUNT, SYSTEM_CONNTRACK_MAX, SYSTEM_NETWORK_CONNECTIONS,
    SYSTEM_NETWORK_DROPPED, SYSTEM_NETWORK_ERRORS, SYSTEM_NETWORK_IO, SYSTEM_NETWORK_PACKETS,
    SYSTEM_TCP_LISTEN_DROPS, SYSTEM_TCP_SEGMENTS, key,
};
use crate::sheet::Sheet;

/// Interfaces told of.
const INTERFACES_MAX: usize = 128;
/// Begins of the names of a container's end in the host: they come and go with it, and the container tells the same from inside.
const CONTAINER_ENDS: [&str; 3] = ["veth", "cali", "lxc"];
/// Column, after the colon, at which the figures of a direction begin: bytes, packets, errors, dropped.
const DIRECTIONS: [(&str, usize); 2] = [("receive", 0), ("transmit", 8)];

pub(super) fn put_interfaces(sheet: &mut Sheet, dev: &str) {
    let figures: [(&Instrument, usize); 4] = [
        (&SYSTEM_NETWORK_IO, 0),
        (&SYSTEM_NETWORK_PACKETS, 1),
        (&SYSTEM_NETWORK_ERRORS, 2),
        (&SYSTEM_NETWORK_DROPPED, 3),
    ];
    put_figures(sheet, dev, &figures, |name| {
        !CONTAINER_ENDS.iter().any(|end| name.starts_with(end))
    });
}

/// The same of a container, of its own interfaces alone.
pub(crate) fn put_container(sheet: &mut Sheet, dev: &str) {
    let figures: [(&Instrument, usize); 3] = [
        (&CONTAINER_NETWORK_IO, 0),
        (&CONTAINER_NETWORK_ERRORS, 2),
        (&CONTAINER_NETWORK_DROPPED, 3),
    ];
    put_figures(sheet, dev, &figures, |name| name != "lo");
}

fn put_figures(
    sheet: &mut Sheet,
    dev: &str,
    figures: &[(&Instrument, usize)],
    is_told: impl Fn(&str) -> bool,
) {
    let interfaces = dev.lines().filter_map(|line| {
        // A name may hold a colon (an alias); figures never do.
        let (name, counts) = line.rsplit_once(':')?;
        let name = name.trim();
        is_told(name).then_some((name, counts))
    });
    for (name, counts) in interfaces.take(INTERFACES_MAX) {
        for (direction, at) in DIRECTIONS {
            let attributes = [
                (key::INTERFACE, name.into()),
                (key::NETWORK_IO_DIRECTION, direction.into()),
            ];
            for (instrument, n) in figures {
                sheet.put(instrument, word(counts, at + n), &attributes);
            }
        }
    }
}

pub(super) fn put_tcp(sheet: &mut Sheet, snmp: &str, netstat: &str) {
    for (kind, name) in [
        ("received", "InSegs"),
        ("sent", "OutSegs"),
        ("retransmitted", "RetransSegs"),
    ] {
        let attributes = [(key::TCP_SEGMENT_TYPE, kind.into())];
        sheet.put(
            &SYSTEM_TCP_SEGMENTS,
            column(snmp, "Tcp:", name),
            &attributes,
        );
    }
    sheet.put(
        &SYSTEM_TCP_LISTEN_DROPS,
        column(netstat, "TcpExt:", "ListenDrops"),
        &[],
    );
}

/// Connections by the states that the kernel counts; those of others it tells only one by one. Whatever it calls established may wait to be closed by this side.
pub(super) fn put_connections(sheet: &mut Sheet, snmp: &str, sockstat: &str) {
    for (state, count) in [
        ("established", column(snmp, "Tcp:", "CurrEstab")),
        ("time_wait", pair(sockstat, "TCP:", "tw")),
    ] {
        let attributes = [
            (key::NETWORK_TRANSPORT, "tcp".into()),
            (key::NETWORK_CONNECTION_STATE, state.into()),
        ];
        sheet.put(&SYSTEM_NETWORK_CONNECTIONS, count, &attributes);
    }
}

pub(super) fn put_conntrack(sheet: &mut Sheet, proc: &Path) {
    let number = |name: &str| file::number(&proc.join("sys/net/netfilter").join(name));
    sheet.put(&SYSTEM_CONNTRACK_COUNT, number("nf_conntrack_count"), &[]);
    sheet.put(&SYSTEM_CONNTRACK_MAX, number("nf_conntrack_max"), &[]);
}

/// A figure of a table of two lines with the same begin: names, then values.
fn column(table: &str, begin: &str, name: &str) -> Option<u64> {
    let mut lines = table.lines().filter(|line| line.starts_with(begin));
    let (names, values) = (lines.next()?, lines.next()?);
    let n = names.split_whitespace().position(|n| n == name)?;
    word(values, n)
}

/// The figure after a name in the line with this begin: `TCP: inuse 5 orphan 0 tw 3`.
fn pair(table: &str, begin: &str, name: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.starts_with(begin))?;
    let n = line.split_whitespace().position(|n| n == name)?;
    word(line, n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n\
         eth0:300 20 3 4 0 0 0 0 500 60 7 8 0 0 0 0\nveth12: 1 1 1 1 1 1 1 1 1 1 1 1\n";

    #[test]
    fn interfaces_are_told_by_direction() {
        let mut sheet = Sheet::for_test();
        put_interfaces(&mut sheet, DEV);
        let lines = sheet.lines();
        for expected in [
            "system.network.io{network.interface.name=eth0,network.io.direction=receive} 300",
            "system.network.io{network.interface.name=eth0,network.io.direction=transmit} 500",
            "system.network.packet.count{network.interface.name=eth0,network.io.direction=transmit} 60",
            "system.network.errors{network.interface.name=eth0,network.io.direction=receive} 3",
            "system.network.packet.dropped{network.interface.name=eth0,network.io.direction=transmit} 8",
            "system.network.io{network.interface.name=lo,network.io.direction=receive} 1",
        ] {
            assert!(lines.iter().any(|l| l == expected), "{expected}");
        }
        assert!(!lines.iter().any(|l| l.contains("veth")));
    }

    #[test]
    fn segments_are_found_by_the_name_of_their_column() {
        let mut sheet = Sheet::for_test();
        let snmp = "Ip: A B\nIp: 1 2\nTcp: RtoMin MaxConn InSegs OutSegs RetransSegs\nTcp: 200 -1 10 20 3\n";
        put_tcp(&mut sheet, snmp, "TcpExt: X ListenDrops\nTcpExt: 5 6\n");
        assert_eq!(
            sheet.lines(),
            [
                "system.network.tcp.segments{tcp.segment.type=received} 10",
                "system.network.tcp.segments{tcp.segment.type=sent} 20",
                "system.network.tcp.segments{tcp.segment.type=retransmitted} 3",
                "system.network.tcp.listen_drops{} 6",
            ]
        );
    }

    #[test]
    fn connections_are_told_by_the_states_that_are_counted() {
        let mut sheet = Sheet::for_test();
        let snmp = "Tcp: ActiveOpens CurrEstab InSegs\nTcp: 9 12 10\n";
        let sockstat = "sockets: used 19\nTCP: inuse 5 orphan 0 tw 3 alloc 5 mem 278\nTCP6: tw 9\n";
        put_connections(&mut sheet, snmp, sockstat);
        put_connections(&mut sheet, "Tcp: CurrEstab\n", "TCP: tw\n");
        assert_eq!(
            sheet.lines(),
            [
                "system.network.connection.count{network.transport=tcp,network.connection.state=established} 12",
                "system.network.connection.count{network.transport=tcp,network.connection.state=time_wait} 3",
            ]
        );
    }

    #[test]
    fn a_table_without_values_tells_nothing() {
        for table in [
            "",
            "Tcp:",
            "Tcp: InSegs\n",
            "Tcp: InSegs\nTcp:\n",
            "Tcp:\nTcp: 1",
        ] {
            assert_eq!(column(table, "Tcp:", "InSegs"), None, "{table:?}");
        }
    }
}
