//! Containers of both versions of control groups, in fake trees.

mod real;

use std::collections::BTreeMap;
use std::fs;

use telemetry::Clock;

use super::*;
use crate::batch::{batches, decode};
use crate::config::Config;
use crate::fake_files::FakeFiles;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SECOND_NS: u64 = 1_000_000_000;
/// Boot of the fake host, and its "now", half an hour later.
const BOOT_S: u64 = 1_700_000_000;
const NOW_NS: u64 = (BOOT_S + 1_800) * SECOND_NS;

/// A fake host in a temporary folder.
struct Tree {
    files: FakeFiles,
    paths: Paths,
}

impl Tree {
    fn new() -> Self {
        let files = FakeFiles::new();
        let paths = Paths {
            proc: files.at("proc"),
            cgroup: files.at("cgroup"),
            etc: files.at("etc"),
            ..Paths::default()
        };
        let tree = Self { files, paths };
        tree.file("proc/stat", &format!("btime {BOOT_S}\n"));
        tree.file("proc/diskstats", "   8       0 sda 1 0 0 0 0 0 0 0 0 0 0\n");
        tree
    }

    fn file(&self, name: &str, content: &str) {
        self.files.file(name, content);
    }

    /// A process that began so many seconds after boot.
    fn process(&self, pid: u64, start_s: f64, namespace: &str) {
        let ticks = (start_s * ticks_per_s()) as u64;
        let stat =
            format!("{pid} (app) S 1 2 3 0 -1 4 5 0 6 0 100 200 0 0 20 0 3 0 {ticks} 4096 7 0\n");
        self.file(&format!("proc/{pid}/stat"), &stat);
        let ns = self.files.at(&format!("proc/{pid}/ns"));
        fs::create_dir_all(&ns).expect("made");
        std::os::unix::fs::symlink(namespace, ns.join("net")).expect("linked");
    }

    fn host(&self) -> Host {
        Host::find(&self.paths, &BTreeMap::new())
    }

    fn probe(&self) -> ContainerProbe {
        let config = Config {
            paths: self.paths.clone(),
            ..Config::default()
        };
        ContainerProbe::new(&config, &Clock::host(), NOW_NS)
    }
}

fn lines(sheets: Vec<Sheet>) -> Vec<String> {
    sheets.into_iter().flat_map(Sheet::lines).collect()
}

#[track_caller]
fn has(lines: &[String], expected: &[&str]) {
    for line in expected {
        assert!(lines.iter().any(|l| l == line), "{line}\nin {lines:#?}");
    }
}

/// A container of version 2 as systemd makes it for Kubernetes.
fn unified() -> (Tree, String) {
    let tree = Tree::new();
    let pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0f1e2d3c_0000_1111_2222_333344445555.slice";
    let group = format!("cgroup/{pod}/cri-containerd-{ID}.scope");
    tree.file("cgroup/cgroup.controllers", "cpu io memory pids\n");
    for (name, content) in [
        (
            "cpu.stat",
            "usage_usec 3500000\nuser_usec 2500000\nsystem_usec 1000000\nnr_periods 100\nnr_throttled 40\nthrottled_usec 7\n",
        ),
        ("cpu.max", "20000 100000\n"),
        ("memory.current", "1000\n"),
        ("memory.max", "4096\n"),
        (
            "memory.stat",
            "anon 600\nfile 400\ninactive_file 300\npgfault 50\npgmajfault 5\n",
        ),
        (
            "memory.events",
            "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n",
        ),
        (
            "io.stat",
            "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n",
        ),
        ("pids.current", "3\n"),
        ("pids.max", "max\n"),
        (
            "cpu.pressure",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
        ),
        ("cgroup.procs", "71\n"),
    ] {
        tree.file(&format!("{group}/{name}"), content);
    }
    tree.process(1, 0.0, "net:[1]");
    tree.process(71, 60.0, "net:[2]");
    let dev = "head\n head\n    lo: 9 9 9 9 0 0 0 0 9 9 9 9\n  eth0: 300 3 1 2 0 0 0 0 500 5 3 4\n";
    tree.file("proc/71/net/dev", dev);
    (tree, group)
}

#[test]
fn a_container_of_version_2_is_told_whole() {
    let (tree, _) = unified();
    let sheets = tree.probe().observe(&mut tree.host(), NOW_NS, true);
    has(
        &lines(sheets),
        &[
            "container.cpu.time{cpu.mode=user} 2.5",
            "container.cpu.time{cpu.mode=system} 1",
            "container.cpu.limit{} 0.2",
            "container.cpu.throttling_data.periods{} 100",
            "container.cpu.throttling_data.throttled_periods{} 40",
            "container.cpu.throttling_data.throttled_time{} 7000",
            "container.memory.usage.total{} 1000",
            "container.memory.working_set{} 700",
            "container.memory.rss{} 600",
            "container.memory.cache{} 400",
            "container.memory.usage.limit{} 4096",
            "container.paging.faults{system.paging.fault.type=major} 5",
            "container.paging.faults{system.paging.fault.type=minor} 45",
            "container.memory.events{container.memory.event=max} 2",
            "container.memory.events{container.memory.event=oom} 3",
            "container.memory.oom_kills{} 4",
            "container.disk.io{system.device=sda,disk.io.direction=read} 10",
            "container.disk.operations{system.device=sda,disk.io.direction=write} 2",
            "container.pids.count{} 3",
            "container.pressure.stall_time{pressure.resource=cpu,pressure.kind=some} 2",
            "container.pressure.stall_time{pressure.resource=cpu,pressure.kind=full} 0.5",
            "container.uptime{} 1740",
            "container.network.io{network.interface.name=eth0,network.io.direction=receive} 300",
            "container.network.packet.dropped{network.interface.name=eth0,network.io.direction=transmit} 4",
        ],
    );
}

#[test]
fn a_container_is_named_by_its_resource_and_counts_from_its_start() {
    let (tree, _) = unified();
    let sheets = tree.probe().observe(&mut tree.host(), NOW_NS, true);
    let told = decode(&batches(sheets, 0)[0]);
    let resource = format!("{:?}", told[0].resource);
    for part in [
        ID,
        "0f1e2d3c-0000-1111-2222-333344445555",
        "service.instance.id",
    ] {
        assert!(resource.contains(part), "{part} in {resource}");
    }
    let cpu = &told[0].scope_metrics[0].metrics[0];
    let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Sum(sum)) = &cpu.data else {
        panic!("CPU time is a sum")
    };
    assert_eq!(
        sum.data_points[0].start_time_unix_nano,
        (BOOT_S + 60) * SECOND_NS
    );
    assert_eq!(sum.data_points[0].time_unix_nano, NOW_NS);
}

#[test]
fn what_has_no_limit_tells_none() {
    let (tree, group) = unified();
    tree.file(&format!("{group}/memory.max"), "max\n");
    tree.file(&format!("{group}/cpu.max"), "max 100000\n");
    let lines = lines(tree.probe().observe(&mut tree.host(), NOW_NS, true));
    assert!(!lines.iter().any(|l| l.contains("limit")), "{lines:#?}");
}

#[test]
fn a_container_in_the_hosts_network_tells_no_traffic() {
    let (tree, _) = unified();
    let link = tree.files.at("proc/71/ns/net");
    fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink("net:[1]", &link).expect("linked");
    let lines = lines(tree.probe().observe(&mut tree.host(), NOW_NS, true));
    assert!(!lines.iter().any(|l| l.contains("network")), "{lines:#?}");
}

#[test]
fn a_container_of_version_1_is_told_from_each_tree() {
    let tree = Tree::new();
    for (name, content) in [
        ("cpuacct", ("cpuacct.usage_user", "2500000000\n")),
        ("cpuacct", ("cpuacct.usage_sys", "1000000000\n")),
        (
            "cpu",
            (
                "cpu.stat",
                "nr_periods 100\nnr_throttled 40\nthrottled_time 7000\n",
            ),
        ),
        ("cpu", ("cpu.cfs_quota_us", "20000\n")),
        ("cpu", ("cpu.cfs_period_us", "100000\n")),
        ("memory", ("memory.usage_in_bytes", "1000\n")),
        ("memory", ("memory.limit_in_bytes", "9223372036854771712\n")),
        (
            "memory",
            (
                "memory.stat",
                "cache 1\nrss 2\ninactive_file 3\ntotal_cache 400\ntotal_rss 600\ntotal_inactive_file 300\ntotal_pgfault 50\ntotal_pgmajfault 5\n",
            ),
        ),
        ("memory", ("memory.failcnt", "2\n")),
        (
            "memory",
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
            ),
        ),
        (
            "blkio",
            (
                "blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\nTotal 30\n",
            ),
        ),
        (
            "blkio",
            ("blkio.throttle.io_serviced", "8:0 Read 1\n8:0 Write 2\n"),
        ),
        ("pids", ("pids.current", "3\n")),
        ("pids", ("pids.max", "100\n")),
        (
            "unified",
            (
                "memory.pressure",
                "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000000\n",
            ),
        ),
    ] {
        tree.file(
            &format!("cgroup/{name}/docker/{ID}/{}", content.0),
            content.1,
        );
    }
    let lines = lines(tree.probe().observe(&mut tree.host(), NOW_NS, true));
    has(
        &lines,
        &[
            "container.cpu.time{cpu.mode=user} 2.5",
            "container.cpu.time{cpu.mode=system} 1",
            "container.cpu.limit{} 0.2",
            "container.cpu.throttling_data.throttled_periods{} 40",
            "container.cpu.throttling_data.throttled_time{} 7000",
            "container.memory.usage.total{} 1000",
            "container.memory.working_set{} 700",
            "container.memory.rss{} 600",
            "container.memory.cache{} 400",
            "container.memory.events{container.memory.event=max} 2",
            "container.memory.oom_kills{} 4",
            "container.disk.io{system.device=sda,disk.io.direction=write} 20",
            "container.disk.operations{system.device=sda,disk.io.direction=read} 1",
            "container.pids.limit{} 100",
            "container.pressure.stall_time{pressure.resource=memory,pressure.kind=some} 2",
        ],
    );
    assert!(!lines.iter().any(|l| l.contains("usage.limit")));
}

#[test]
fn young_containers_are_told_between_readings_and_old_ones_are_not() {
    let (tree, _) = unified();
    let mut probe = tree.probe();
    let mut host = tree.host();
    assert_eq!(probe.observe(&mut host, NOW_NS, true).len(), 1);
    assert!(
        probe
            .observe(&mut host, NOW_NS + SECOND_NS, false)
            .is_empty()
    );

    let young = "f".repeat(64);
    let group = format!("cgroup/docker/{young}");
    tree.process(72, 1_801.0, "net:[3]");
    tree.file(&format!("{group}/cgroup.procs"), "72\n");
    tree.file(&format!("{group}/memory.current"), "5\n");
    let told = probe.observe(&mut host, NOW_NS + 2 * SECOND_NS, false);
    assert_eq!(told.len(), 1, "found in the second in which it was made");
    has(
        &lines(told),
        &["container.memory.usage.total{} 5", "container.uptime{} 1"],
    );
    assert_eq!(
        probe
            .observe(&mut host, NOW_NS + 30 * SECOND_NS, false)
            .len(),
        1
    );
    assert!(
        probe
            .observe(&mut host, NOW_NS + 31 * SECOND_NS, false)
            .is_empty()
    );

    fs::remove_dir_all(tree.files.at(&group)).expect("removed");
    assert_eq!(
        probe
            .observe(&mut host, NOW_NS + 40 * SECOND_NS, true)
            .len(),
        1
    );
}

#[test]
fn a_container_that_lives_4_s_is_told_in_each_of_them() {
    let (tree, _) = unified();
    let mut host = tree.host();
    for is_watched in [true, false] {
        let mut probe = tree.probe();
        if !is_watched {
            probe.tree = super::Tree::unwatched(probe.groups.searched());
        }
        assert_eq!(probe.tree.is_watched(), is_watched);
        probe.observe(&mut host, NOW_NS, true);
        let group = format!("cgroup/docker/{}", "b".repeat(64));
        let mut told = Vec::new();
        for s in 1..10 {
            match s {
                3 => tree.file(&format!("{group}/memory.current"), "6\n"),
                7 => fs::remove_dir_all(tree.files.at(&group)).expect("removed"),
                _ => {}
            }
            let sheets = probe.observe(&mut host, NOW_NS + s * SECOND_NS, false);
            let is_ours = |line: &String| line == "container.memory.usage.total{} 6";
            told.extend(lines(sheets).iter().any(is_ours).then_some(s));
        }
        assert_eq!(told, [3, 4, 5, 6], "watched: {is_watched}");
    }
}

#[test]
fn many_young_containers_take_turns() {
    let (tree, _) = unified();
    let mut probe = tree.probe();
    let mut host = tree.host();
    probe.observe(&mut host, NOW_NS, true);
    for n in 0..YOUNG_MAX + 8 {
        tree.file(&format!("cgroup/docker/{n:064x}/memory.current"), "5\n");
    }
    let mut told = |s: u64| {
        let sheets = probe.observe(&mut host, NOW_NS + s * SECOND_NS, false);
        let resources: BTreeSet<String> = sheets
            .into_iter()
            .map(|sheet| format!("{:?}", sheet.finish().resource))
            .collect();
        resources
    };
    let (first, second) = (told(1), told(2));
    assert_eq!((first.len(), second.len()), (YOUNG_MAX, YOUNG_MAX));
    assert_eq!(first.union(&second).count(), YOUNG_MAX + 8);
}

#[test]
fn a_container_that_starts_again_under_its_id_counts_from_its_new_start() {
    let (tree, group) = unified();
    let mut probe = tree.probe();
    probe.observe(&mut tree.host(), NOW_NS, true);
    let before: Vec<Known> = probe.known.values().copied().collect();
    // Made before the old one is removed: a file system may give a freed inode out again at once.
    let other = tree.files.at("cgroup/other");
    fs::create_dir_all(&other).expect("made");
    fs::write(other.join("cgroup.procs"), "73\n").expect("written");
    let place = tree.files.at(&group);
    fs::remove_dir_all(&place).expect("removed");
    fs::rename(other, place).expect("moved");
    tree.process(73, 1_790.0, "net:[2]");
    probe.observe(&mut tree.host(), NOW_NS, true);
    let after: Vec<Known> = probe.known.values().copied().collect();
    assert_eq!(before[0].start_unix_ns, (BOOT_S + 60) * SECOND_NS);
    assert_eq!(after[0].start_unix_ns, (BOOT_S + 1_790) * SECOND_NS);
}

#[test]
fn damaged_files_leave_out_what_they_cannot_tell_and_nothing_else() {
    let garbage = [
        "",
        "\n",
        " ",
        "\0\0\0",
        "18446744073709551615",
        "18446744073709551616\n",
        "-1",
        "nan",
        "user_usec",
        "user_usec 18446744073709551615\nanon 18446744073709551615\nthrottled_usec 18446744073709551615\n",
        "8:0",
        "8:0 rbytes= wbytes=x rios=-1",
        "some avg10=",
        "some total=",
        "max",
        "max max max",
        "18446744073709551615 18446744073709551615",
        "é (é) é",
    ];
    let names = [
        "cpu.stat",
        "cpu.max",
        "memory.current",
        "memory.max",
        "memory.stat",
        "memory.events",
        "io.stat",
        "pids.current",
        "pids.max",
        "cpu.pressure",
        "cgroup.procs",
    ];
    let (tree, group) = unified();
    let mut probe = tree.probe();
    for name in names {
        let path = tree.files.at(&group).join(name);
        let good = fs::read(&path).expect("there");
        for content in garbage {
            fs::write(&path, content).expect("written");
            let lines = lines(probe.observe(&mut tree.host(), NOW_NS, true));
            assert!(lines.len() > 10, "{name} {content:?}");
        }
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).expect("written");
            probe.observe(&mut tree.host(), NOW_NS, true);
        }
        fs::remove_file(&path).expect("removed");
        probe.observe(&mut tree.host(), NOW_NS, true);
        fs::create_dir(&path).expect("made");
        probe.observe(&mut tree.host(), NOW_NS, true);
        fs::remove_dir(&path).expect("removed");
        fs::write(&path, &good).expect("written");
    }
}
