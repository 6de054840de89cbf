//! A container as the kernel knows it: a control group named by 64 hex digits, of version 1 or 2. Gone when dropped.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";
/// Controllers of version 1 that the agent reads.
const CONTROLLERS: [&str; 4] = ["cpu", "cpuacct", "memory", "pids"];
const PERIOD_US: u32 = 100_000;

/// A group, made by this test alone.
pub(crate) struct Group {
    id: String,
    folders: Vec<PathBuf>,
    is_limited: bool,
}

impl Group {
    /// Makes one that may use so many CPUs.
    pub(crate) fn make(cpus: f64) -> Result<Self> {
        let id = format!("{:0>64x}", u128::from(std::process::id()) | 0xa9_e47 << 64);
        let is_v2 = Path::new(ROOT).join("cgroup.controllers").exists();
        let at = |controller: &str| Path::new(ROOT).join(controller).join(&id);
        let folders: Vec<PathBuf> = if is_v2 {
            vec![Path::new(ROOT).join(&id)]
        } else {
            CONTROLLERS
                .iter()
                .map(|controller| at(controller))
                .collect()
        };
        let mut group = Self {
            id,
            folders: Vec::new(),
            is_limited: false,
        };
        for folder in folders {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            group.folders.push(folder);
        }
        group.is_limited = group.limit(is_v2, cpus).is_ok();
        Ok(group)
    }

    fn limit(&self, is_v2: bool, cpus: f64) -> Result<()> {
        let quota_us = (cpus * f64::from(PERIOD_US)).round();
        let cpu = self.folders.first().context("a folder")?;
        if is_v2 {
            fs::write(cpu.join("cpu.max"), format!("{quota_us} {PERIOD_US}"))?;
        } else {
            fs::write(cpu.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            fs::write(cpu.join("cpu.cfs_quota_us"), quota_us.to_string())?;
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the kernel holds it to its CPUs.
    pub(crate) fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// Shell that puts itself into the group.
    pub(crate) fn enter_script(&self) -> String {
        let mut script = String::new();
        for folder in &self.folders {
            let written = write!(script, "echo $$ > {}/cgroup.procs; ", folder.display());
            written.expect("a String takes all text");
        }
        script
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What still runs in it goes back to the root, else it could not be removed.
        for folder in &self.folders {
            let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            let root = folder.parent().map(|parent| parent.join("cgroup.procs"));
            for (pid, root) in members.lines().zip(root.iter().cycle()) {
                drop(fs::write(root, pid));
            }
            if let Err(error) = fs::remove_dir(folder) {
                tracing::warn!("{} stays: {error}", folder.display());
            }
        }
    }
}
