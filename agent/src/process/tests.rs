//! Processes of a fake tree and of this machine.

use std::collections::BTreeMap;

use super::*;
use crate::batch::{batches, decode};
use crate::fake_files::FakeFiles;
use crate::sheet::lines_of;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BOOT_S: u64 = 1_700_000_000;
const NOW_NS: u64 = (BOOT_S + 100) * 1_000_000_000;

struct Tree {
    files: FakeFiles,
    paths: Paths,
}

impl Tree {
    fn new() -> Self {
        let files = FakeFiles::new();
        let paths = Paths {
            proc: files.at(""),
            ..Paths::default()
        };
        let tree = Self { files, paths };
        tree.file("stat", &format!("cpu 1\nbtime {BOOT_S}\n"));
        tree
    }

    fn file(&self, name: &str, content: &str) {
        self.files.file(name, content);
    }

    fn process(&self, pid: u64) {
        let ticks = ticks_per_s() as u64;
        let start = 10 * ticks;
        let (user, system) = (2 * ticks, ticks);
        for (name, content) in [
            (
                "stat",
                format!("{pid} (my app) S 1 2 3 0 -1 4 50 0 6 0 {user} {system} 0 0 20 0 3 0 {start} 4096 7 0\n"),
            ),
            ("status", format!("Name:\tmy app\nNSpid:\t{pid}\t1\n")),
            ("cgroup", format!("4:memory:/docker/{ID}\n0::/\n")),
            ("io", "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\n".to_owned()),
            ("limits", "Limit Soft Hard Units\nMax open files            1024                 4096                 files\n".to_owned()),
            ("fd/0", String::new()),
        ] {
            self.file(&format!("{pid}/{name}"), &content);
        }
    }

    fn probe(&self) -> ProcessProbe {
        ProcessProbe::new(&Config {
            paths: self.paths.clone(),
            ..Config::default()
        })
    }

    fn told(&self, probe: &mut ProcessProbe) -> Vec<(String, Vec<String>)> {
        let host = Host::find(&self.paths, &BTreeMap::new());
        told(probe.observe(&host, NOW_NS))
    }
}

/// Resource (as debug text) and lines of each process.
fn told(sheets: Vec<Sheet>) -> Vec<(String, Vec<String>)> {
    let batches = batches(sheets, 0);
    let told = batches.iter().flat_map(decode);
    told.map(|m| (format!("{:?}", m.resource), lines_of(&m)))
        .collect()
}

#[test]
fn a_process_in_a_container_is_told_whole() {
    let tree = Tree::new();
    tree.process(71);
    let told = tree.told(&mut tree.probe());
    assert_eq!(told.len(), 1);
    let (resource, lines) = &told[0];
    for part in [
        ID,
        "IntValue(71)",
        "process.vpid",
        "IntValue(1)",
        "my app",
        "2023-11-14T22:13:30.000Z",
    ] {
        assert!(resource.contains(part), "{part} in {resource}");
    }
    let rss = format!(
        "process.memory.usage{{}} {}",
        7 * rustix::param::page_size()
    );
    for line in [
        "process.cpu.time{cpu.mode=user} 2",
        "process.cpu.time{cpu.mode=system} 1",
        rss.as_str(),
        "process.thread.count{} 3",
        "process.paging.faults{system.paging.fault.type=minor} 50",
        "process.unix.file_descriptor.limit{} 1024",
        "process.disk.io{disk.io.direction=read} 4096",
        "process.disk.io{disk.io.direction=write} 8192",
        "process.uptime{} 90",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} in {lines:#?}");
    }
}

#[test]
fn a_quiet_process_outside_containers_is_told_if_it_sends_spans() {
    let tree = Tree::new();
    for pid in 100..160 {
        tree.process(pid);
        tree.file(&format!("{pid}/cgroup"), "0::/system.slice/app.service\n");
    }
    tree.process(71);
    tree.file("71/cgroup", "0::/system.slice/quiet.service\n");
    tree.file(
        "71/stat",
        "71 (quiet) S 1 2 3 0 -1 4 50 0 6 0 0 0 0 0 20 0 3 0 1000 4096 1 0\n",
    );
    let probe = &mut tree.probe();
    let is_told = |probe: &mut ProcessProbe| {
        let told = tree.told(probe);
        told.iter().any(|(resource, _)| resource.contains("quiet"))
    };
    assert!(!is_told(probe), "it is in neither top");
    tree.files.link("71/fd/4", "socket:[4783]");
    let socket =
        "0: 0100007F:CFFA 0100007F:10DD 01 00000000:00000000 00:00000000 00000000 0 0 4783 1\n";
    tree.file("1/net/tcp", socket);
    assert!(is_told(probe));
}

#[test]
fn what_may_not_be_read_is_left_out() {
    let tree = Tree::new();
    tree.process(71);
    for name in ["io", "limits"] {
        fs::remove_file(tree.files.at(&format!("71/{name}"))).expect("removed");
    }
    fs::remove_dir_all(tree.files.at("71/fd")).expect("removed");
    let told = tree.told(&mut tree.probe());
    let lines = &told[0].1;
    assert!(
        !lines
            .iter()
            .any(|l| l.contains("file_descriptor") || l.contains("disk"))
    );
    assert!(lines.iter().any(|l| l.starts_with("process.cpu.time")));
}

#[test]
fn processes_that_vanish_or_are_damaged_are_not_told() {
    let tree = Tree::new();
    let mut probe = tree.probe();
    tree.process(71);
    for (name, contents) in [
        ("stat", vec!["", "71", "71 (", ") (", "71 (x) S 1", "\0"]),
        (
            "status",
            vec!["", "NSpid:", "NSpid:\tx", "NSpid:\t18446744073709551616"],
        ),
        ("cgroup", vec!["", ":", "::", "0::", "0::/a/b\n:::", "\0"]),
        (
            "io",
            vec!["", "read_bytes", "read_bytes: 18446744073709551615"],
        ),
        (
            "limits",
            vec!["", "Max open files", "Max open files unlimited"],
        ),
    ] {
        for content in contents {
            tree.file(&format!("71/{name}"), content);
            let n_told = tree.told(&mut probe).len();
            assert_eq!(n_told, usize::from(name != "stat"), "{name} {content:?}");
        }
        tree.process(71);
    }
    fs::remove_file(tree.files.at("71/status")).expect("removed");
    assert!(tree.told(&mut probe).is_empty(), "gone between two reads");
}

#[test]
fn absurd_numbers_do_not_overflow() {
    let tree = Tree::new();
    tree.process(71);
    let max = u64::MAX;
    tree.file(
        "71/stat",
        &format!("71 (x) S 1 2 3 0 -1 4 {max} 0 {max} 0 {max} {max} 0 0 20 0 {max} 0 {max} {max} {max} 0\n"),
    );
    assert_eq!(tree.told(&mut tree.probe()).len(), 1);
}

#[test]
fn this_process_is_among_those_of_this_machine() {
    let paths = Paths::default();
    let host = Host::find(&paths, &BTreeMap::new());
    let mut probe = ProcessProbe::new(&Config::default());
    let own = u64::from(std::process::id());
    let candidate = probe.candidate(own).expect("this process runs");
    let sheet = probe
        .sheet(&host, &candidate, u64::MAX)
        .expect("and may be read");
    let lines = sheet.lines();
    for name in [
        "process.cpu.time",
        "process.memory.usage",
        "process.thread.count",
        "process.unix.file_descriptor.count",
        "process.unix.file_descriptor.limit",
        "process.disk.io",
    ] {
        assert!(
            lines.iter().any(|l| l.starts_with(name)),
            "{name} in {lines:#?}"
        );
    }
    assert!(!probe.observe(&host, u64::MAX).is_empty());
}
