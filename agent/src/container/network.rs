//! The interfaces of a container, as one of its processes sees them. A container that shares the host's network has none of its own.

use std::fs;
use std::path::{Path, PathBuf};

use crate::file;
use crate::host::network;
use crate::sheet::Sheet;

/// The network namespace of the host. `None` where it may not be seen: then no container's traffic is told, since it could be the host's.
#[derive(Debug)]
pub(super) struct Namespaces {
    host: Option<PathBuf>,
}

impl Namespaces {
    pub(super) fn of_host(proc: &Path) -> Self {
        Self {
            host: namespace(proc, 1),
        }
    }

    pub(super) fn put(&self, sheet: &mut Sheet, proc: &Path, pid: u64) {
        let own = namespace(proc, pid);
        if self.host.is_none() || own.is_none() || own == self.host {
            return;
        }
        let dev = proc.join(pid.to_string()).join("net/dev");
        if let Some(dev) = file::read(&dev, file::LONG_BYTES_MAX) {
            network::put_container(sheet, &dev);
        }
    }
}

/// What the link of a process to its network namespace says: `net:[4026531840]`.
fn namespace(proc: &Path, pid: u64) -> Option<PathBuf> {
    fs::read_link(proc.join(pid.to_string()).join("ns/net")).ok()
}
