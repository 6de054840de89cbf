//! The host of a fake tree, damaged in every way, and this machine.

use std::fs;

use super::*;

const FILES: [(&str, &str); 12] = [
    ("uptime", "19871.30 39000.12\n"),
    (
        "stat",
        "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nbtime 1700000000\n",
    ),
    ("loadavg", "0.22 0.27 0.43 1/95 4894\n"),
    (
        "meminfo",
        "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 70 kB\nSwapTotal: 8 kB\nSwapFree: 6 kB\n",
    ),
    (
        "vmstat",
        "pgfault 10\npgmajfault 3\npswpin 1\npswpout 2\noom_kill 4\n",
    ),
    (
        "pressure/io",
        "some avg10=0.70 avg60=0.70 avg300=2.56 total=15\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
    ),
    (
        "diskstats",
        "254 0 vda 10 2 30 4000 50 6 70 8000 1 1200 9 0 0 0 0 3 4\n",
    ),
    ("1/mounts", "/dev/vda / ext4 rw 0 0\n"),
    (
        "1/net/dev",
        "a|b\nc|d\n eth0: 300 20 3 4 0 0 0 0 500 60 7 8 0 0 0 0\n",
    ),
    (
        "1/net/snmp",
        "Tcp: CurrEstab InSegs OutSegs RetransSegs\nTcp: 4 10 20 3\n",
    ),
    ("1/net/sockstat", "TCP: inuse 5 orphan 0 tw 3\n"),
    ("sys/net/netfilter/nf_conntrack_count", "7\n"),
];

fn tree() -> (tempfile::TempDir, HostProbe) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = Paths {
        proc: folder.path().join("proc"),
        sys: folder.path().join("sys"),
        root: folder.path().to_owned(),
        ..Paths::default()
    };
    for (name, content) in FILES {
        let path = paths.proc.join(name);
        fs::create_dir_all(path.parent().expect("below proc")).expect("made");
        fs::write(path, content).expect("written");
    }
    let probe = HostProbe::new(paths);
    (folder, probe)
}

fn observe(probe: &HostProbe) -> Vec<String> {
    let mut sheet = Sheet::for_test();
    probe.observe(&mut sheet);
    sheet.lines()
}

#[test]
fn every_file_has_its_part() {
    let (_folder, probe) = tree();
    let lines = observe(&probe);
    for begin in [
        "system.uptime{} 19871.3",
        "system.cpu.time{",
        "system.cpu.load_average.15m{} 0.43",
        "system.memory.usage{",
        "system.paging.faults{",
        "system.pressure.stall_time{",
        "system.disk.io{",
        "system.filesystem.usage{",
        "system.network.io{",
        "system.network.tcp.segments{",
        "system.network.connection.count{network.transport=tcp,network.connection.state=established} 4",
        "system.network.connection.count{network.transport=tcp,network.connection.state=time_wait} 3",
        "system.network.conntrack.count{} 7",
    ] {
        assert!(
            lines.iter().any(|l| l.starts_with(begin)),
            "{begin} in {lines:#?}"
        );
    }
}

#[test]
fn a_damaged_file_takes_nothing_else_with_it() {
    let (_folder, probe) = tree();
    let all = observe(&probe).len();
    for (name, good) in FILES {
        let path = probe.paths.proc.join(name);
        for cut in 0..good.len() {
            fs::write(&path, &good[..cut]).expect("written");
            assert!(observe(&probe).len() <= all);
        }
        for garbage in [
            "\0\u{1}",
            "cpu0",
            "cpu0 x",
            "some total",
            "a:",
            ":",
            "1 2 3",
            "Tcp:\nTcp:\n",
            "18446744073709551616",
        ] {
            fs::write(&path, garbage).expect("written");
            observe(&probe);
        }
        let max = u64::MAX.to_string();
        let digits: String = good
            .chars()
            .map(|c| if c.is_ascii_digit() { '#' } else { c })
            .collect();
        fs::write(&path, digits.replace('#', &max)).expect("written");
        observe(&probe);
        fs::remove_file(&path).expect("removed");
        assert!(observe(&probe).len() > all / 3, "{name}");
        fs::create_dir(&path).expect("made");
        observe(&probe);
        fs::remove_dir(&path).expect("removed");
        fs::write(&path, good).expect("written");
    }
    assert_eq!(observe(&probe).len(), all);
}

#[test]
fn nothing_to_read_is_nothing_told() {
    let paths = Paths {
        proc: "/nonexistent".into(),
        sys: "/nonexistent".into(),
        ..Paths::default()
    };
    assert!(observe(&HostProbe::new(paths)).is_empty());
}

#[test]
fn this_machine_tells_of_itself() {
    let lines = observe(&HostProbe::new(Paths::default()));
    for begin in [
        "system.cpu.time{",
        "system.memory.usage{",
        "system.cpu.load_average.1m{",
        "system.network.io{",
    ] {
        assert!(lines.iter().any(|l| l.starts_with(begin)), "{begin}");
    }
    assert!(boot_unix_s(Path::new("/proc")).is_some());
}
