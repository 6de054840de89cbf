//! Addresses at which the host is reached: `/proc/net/{fib_trie,route,if_inet6}`. In: their text. Out: addresses, as `host.ip` has them. What is the same on
//! every host, or is its own containers' end, is none of them: it would lead to a host that it is not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::file;

/// Addresses told of.
const ADDRESSES_MAX: usize = 16;
/// Bytes read of a file. A router has more routes, and its addresses behind them: it tells none.
const TABLE_BYTES_MAX: u64 = 256 << 10;
/// Begins of the names of interfaces that lead to containers and virtual machines of this host, or nowhere.
const INNER: [&str; 13] = [
    "br-",
    "cali",
    "cilium",
    "cni",
    "docker",
    "flannel",
    "kube-",
    "lo",
    "lxc",
    "nodelocaldns",
    "podman",
    "veth",
    "virbr",
];
/// Address is not to be used yet, or not any more, or only for a while.
const IPV6_PASSING: u8 = 0x01 | 0x20 | 0x40;

/// A network that an interface is in. Of the default route the mask is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route<'a> {
    interface: &'a str,
    network: u32,
    mask: u32,
}

/// In order, IPv4 first.
pub(crate) fn of_host(proc: &Path) -> Vec<String> {
    let read = |name| file::of_init(proc, name, TABLE_BYTES_MAX).unwrap_or_default();
    let v4 = of_ipv4(&read("net/fib_trie"), &read("net/route"));
    let v6 = of_ipv6(&read("net/if_inet6"));
    let all = v4.into_iter().map(IpAddr::from);
    let all: BTreeSet<IpAddr> = all.chain(v6.into_iter().map(IpAddr::from)).collect();
    let told = all.iter().take(ADDRESSES_MAX);
    told.map(ToString::to_string).collect()
}

/// Local addresses: a leaf `|-- 192.0.2.2` with `/32 host LOCAL` below it.
fn of_ipv4(fib_trie: &str, route: &str) -> Vec<Ipv4Addr> {
    let routes: Vec<Route<'_>> = route.lines().filter_map(route_of).collect();
    let routes = ways(&routes);
    let mut leaf = None;
    let mut found = Vec::new();
    for line in fib_trie.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            leaf = address.trim().parse::<Ipv4Addr>().ok();
        } else if line.trim() == "/32 host LOCAL" {
            found.extend(leaf.take().filter(|address| is_reached(*address, &routes)));
        }
    }
    found
}

/// `eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0`: interface, network, gateway and mask, as this machine reads numbers of the network.
fn route_of(line: &str) -> Option<Route<'_>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |n: usize| Some(u32::from_be(u32::from_str_radix(words.get(n)?, 16).ok()?));
    Some(Route {
        interface: words.first()?,
        network: number(1)?,
        mask: number(7)?,
    })
}

/// Networks, and the default route, which holds every address, only of an interface without a network: clouds give it one address alone. Elsewhere what lies in
/// no network is shared, such as the addresses of a cluster's services.
fn ways<'a>(routes: &[Route<'a>]) -> Vec<Route<'a>> {
    let is_network = |route: &&Route<'_>| route.mask != 0 && route.mask != u32::MAX;
    let networked: BTreeSet<&str> = routes
        .iter()
        .filter(is_network)
        .map(|route| route.interface)
        .collect();
    let is_way = |route: &&Route<'_>| route.mask != 0 || !networked.contains(route.interface);
    routes.iter().filter(is_way).copied().collect()
}

/// Whether others reach the host there: by the interface of the narrowest network that holds the address.
fn is_reached(address: Ipv4Addr, routes: &[Route<'_>]) -> bool {
    if address.is_loopback() || address.is_link_local() {
        return false;
    }
    let holding = routes
        .iter()
        .filter(|route| address.to_bits() & route.mask == route.network);
    let narrowest = holding.max_by_key(|route| route.mask.count_ones());
    narrowest.is_some_and(|route| !is_inner(route.interface))
}

/// `fd000000000000000000000000000002 04 40 00 82 eth0`: address, index, length, scope, flags, interface.
fn of_ipv6(if_inet6: &str) -> Vec<Ipv6Addr> {
    let addresses = if_inet6.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        let mut byte = |n| u8::from_str_radix(words.nth(n)?, 16).ok();
        let (scope, flags) = (byte(2)?, byte(0)?);
        let interface = words.next()?;
        let is_reached = scope == 0 && flags & IPV6_PASSING == 0 && !is_inner(interface);
        is_reached.then(|| Ipv6Addr::from_bits(address))
    });
    addresses.collect()
}

fn is_inner(interface: &str) -> bool {
    INNER.iter().any(|begin| interface.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_files::FakeFiles;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           \
        /8 host LOCAL\n        |-- 127.0.0.1\n           /32 host LOCAL\n     |-- 172.17.0.1\n        /32 host LOCAL\n     +-- 192.0.2.0/24 2 0 2\n        \
        |-- 192.0.2.0\n           /24 link UNICAST\n        |-- 192.0.2.2\n           /32 host LOCAL\n        |-- 192.0.2.255\n           \
        /32 link BROADCAST\nLocal:\n     |-- 192.0.2.2\n        /32 host LOCAL\n";
    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const IF_INET6: &str = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nfd000000000000000000000000000002 04 40 00 82     eth0\n\
        fd000000000000000000000000000003 04 40 00 01     eth0\nfd000000000000000000000000000004 05 40 00 80  docker0\n\
        00000000000000000000000000000001 01 80 10 80       lo\n";

    fn host(trie: &str, route: &str, if_inet6: &str) -> Vec<String> {
        let files = FakeFiles::new();
        files.file("1/net/fib_trie", trie);
        files.file("1/net/route", route);
        files.file("1/net/if_inet6", if_inet6);
        of_host(&files.at(""))
    }

    #[test]
    fn a_host_is_reached_at_what_is_no_loopback_nor_of_its_containers() {
        assert_eq!(host(TRIE, ROUTE, IF_INET6), ["192.0.2.2", "fd00::2"]);
        assert_eq!(host(TRIE, ROUTE, ""), ["192.0.2.2"]);
    }

    #[test]
    fn an_address_without_a_network_is_at_the_default_route() {
        let only_default: String = ROUTE.lines().take(2).map(|l| format!("{l}\n")).collect();
        let cloud = TRIE.replace("172.17.0.1", "10.128.0.5");
        assert_eq!(host(&cloud, &only_default, ""), ["10.128.0.5", "192.0.2.2"]);
        assert!(host(TRIE, "", "").is_empty(), "no route, no way");
        let service = TRIE.replace("172.17.0.1", "10.96.0.1");
        assert_eq!(host(&service, ROUTE, ""), ["192.0.2.2"]);
    }

    #[test]
    fn so_many_are_told_and_damage_does_no_harm() {
        let many: String = (0..99)
            .map(|n| format!("|-- 192.0.2.{n}\n/32 host LOCAL\n"))
            .collect();
        assert_eq!(host(&many, ROUTE, "").len(), ADDRESSES_MAX);
        for text in [
            "",
            "\0",
            "|-- \n/32 host LOCAL",
            "/32 host LOCAL\n",
            "|-- 1.2.3\n/32 host LOCAL",
            "eth0 x",
            "eth0 0 0 0 0 0 0 FFFFFFFFF",
            "fd 1 2 3",
            "zz 04 40 00 80 eth0",
        ] {
            host(text, text, text);
            host(TRIE, text, text);
        }
    }

    #[test]
    fn this_machines_addresses_are_addresses() {
        let told = of_host(Path::new("/proc"));
        assert!(
            told.iter().all(|ip| ip.parse::<IpAddr>().is_ok()),
            "{told:?}"
        );
    }
}
