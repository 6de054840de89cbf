//! Containers in the control groups of this machine itself. Where it lets nobody make some, the tests are skipped and say so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use telemetry::Clock;

use crate::batch::{batches, decode};
use crate::config::{Config, Paths};
use crate::container::{ContainerProbe, Groups, tree};
use crate::process::ProcessProbe;
use crate::resource::Host;
use crate::sheet::lines_of;

/// A group of the machine's own control groups (version 1), removed at the end.
struct RealGroup {
    places: Vec<PathBuf>,
}

impl RealGroup {
    /// `None` where control groups of version 1 may not be made: then the test is skipped and says so, past whatever captures what tests print.
    fn make_or_skip(id: &str, test: &str) -> Option<Self> {
        let made = Self::make(id);
        if made.is_none() {
            let told = writeln!(
                std::io::stderr(),
                "SKIPPED {test}: control groups of version 1 cannot be made here"
            );
            told.expect("standard error is there");
        }
        made
    }

    fn make(id: &str) -> Option<Self> {
        let trees = ["memory", "cpu", "cpuacct", "pids", "blkio"];
        let mut group = Self { places: Vec::new() };
        for tree in trees {
            let tree = Path::new("/sys/fs/cgroup").join(tree);
            if !tree.join("cgroup.procs").exists() {
                return None;
            }
            let place = tree.join(id);
            fs::create_dir(&place).ok()?;
            group.places.push(place);
        }
        Some(group)
    }

    fn add(&self, pid: u32) {
        for place in &self.places {
            fs::write(place.join("cgroup.procs"), pid.to_string()).expect("root may move it");
        }
    }
}

impl Drop for RealGroup {
    fn drop(&mut self) {
        for place in &self.places {
            if let Err(error) = fs::remove_dir(place) {
                tracing::warn!("{} stays: {error}", place.display());
            }
        }
    }
}

/// A child that is stopped at the end of a test, however it ends.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let stopped = self.0.kill().and_then(|()| self.0.wait().map(|_| ()));
        stopped.expect("a child of ours can be killed");
    }
}

#[test]
fn the_kernel_tells_of_a_real_control_group_and_of_its_end() {
    let mut tree = tree::Tree::new(Groups::find(&Paths::default().cgroup).searched());
    tree.refresh(true);
    let id = format!("{:064x}", u128::from(std::process::id()) | 0xa9e1 << 64);
    let has = |tree: &tree::Tree| tree.containers().any(|(_, container)| container.id == id);
    let Some(group) = RealGroup::make_or_skip(&id, "control group") else {
        return;
    };
    assert!(tree.is_watched(), "looks below are told by the kernel");
    tree.refresh(false);
    assert!(has(&tree));
    drop(group);
    tree.refresh(false);
    assert!(!has(&tree));
    assert!(tree.is_watched());
}

#[test]
fn a_real_container_of_this_machine_is_found_and_measured() {
    let paths = Paths::default();
    let mut host = Host::find(&paths, &BTreeMap::new());
    let now_ns = || Clock::host().wall().unix_ms as u64 * 1_000_000;
    let mut probe = ContainerProbe::new(&Config::default(), &Clock::host(), now_ns());
    probe.observe(&mut host, now_ns(), true);

    let id = format!("{:064x}", u128::from(std::process::id()) | 0xa9e0 << 64);
    let Some(group) = RealGroup::make_or_skip(&id, "container") else {
        return;
    };
    let busy = std::process::Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .expect("a shell starts");
    let child = Child(busy);
    group.add(child.0.id());
    // Looks between the readings of all: the container is new, so they tell of it.
    let mut look = || {
        let batches = batches(probe.observe(&mut host, now_ns(), false), 0);
        let told = batches.iter().flat_map(decode);
        let ours = told.filter(|m| format!("{:?}", m.resource).contains(&id));
        ours.flat_map(|m| lines_of(&m)).collect::<Vec<String>>()
    };
    let figure = |lines: &[String], name: &str| {
        let line = lines.iter().find(|l| l.starts_with(name))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    // A busy loop uses CPU time sooner or later; a bounded number of looks, not of seconds.
    let user = "container.cpu.time{cpu.mode=user}";
    let lines = (0..100_000)
        .map(|_| look())
        .find(|lines| figure(lines, user).is_some_and(|s| s > 0.02))
        .expect("the busy loop uses CPU time");
    let pids = figure(&lines, "container.pids.count");
    assert_eq!(pids, Some(1.0));
    for name in [
        "container.memory.usage.total",
        "container.memory.working_set",
        "container.memory.oom_kills",
        "container.cpu.throttling_data.periods",
        "container.uptime",
    ] {
        assert!(
            lines.iter().any(|l| l.starts_with(name)),
            "{name} in {lines:#?}"
        );
    }
    // The same container is on the process's resource: the join from a pid to its container.
    let mut processes = ProcessProbe::new(&Config {
        processes_max: 32_768,
        ..Config::default()
    });
    let told = batches(processes.observe(&host, now_ns()), 0);
    let resources = told
        .iter()
        .flat_map(decode)
        .map(|m| format!("{:?}", m.resource));
    let pid = format!("IntValue({})", child.0.id());
    let ours = resources.filter(|r| r.contains(&pid) && r.contains(&id));
    assert_eq!(ours.count(), 1);
}
