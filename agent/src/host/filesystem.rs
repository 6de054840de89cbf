//! `/proc/1/mounts` and `statvfs`: how full file systems are. Those of the network are not asked: one that hangs would hang the agent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::instrument::{
    SYSTEM_FILESYSTEM_INODES_USAGE, SYSTEM_FILESYSTEM_USAGE, SYSTEM_FILESYSTEM_UTILIZATION, key,
};
use crate::sheet::Sheet;

/// File systems told of.
const FILESYSTEMS_MAX: usize = 256;
/// Kinds on a device that are full by nature, or that a daemon serves.
const SKIPPED_KINDS: [&str; 4] = ["squashfs", "iso9660", "erofs", "udf"];

/// A mounted file system: where, from what, of what kind.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    device: String,
    point: String,
    kind: String,
}

/// Tells of each local file system once, at its first mount point.
pub(super) fn put(sheet: &mut Sheet, mounts: &str, root: &Path) {
    for mount in local(mounts) {
        let point = mount.point.trim_start_matches('/');
        let path: PathBuf = root.join(point);
        if let Ok(stat) = rustix::fs::statvfs(&path) {
            put_filesystem(sheet, &mount, &stat);
        }
    }
}

fn put_filesystem(sheet: &mut Sheet, mount: &Mount, stat: &rustix::fs::StatVfs) {
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    let used = bytes(stat.f_blocks.saturating_sub(stat.f_bfree));
    let free = bytes(stat.f_bavail);
    let reserved = bytes(stat.f_bfree.saturating_sub(stat.f_bavail));
    let with_state = |state: &'static str| {
        [
            (key::DEVICE, mount.device.as_str().into()),
            (key::FILESYSTEM_MOUNTPOINT, mount.point.as_str().into()),
            (key::FILESYSTEM_TYPE, mount.kind.as_str().into()),
            (key::FILESYSTEM_STATE, state.into()),
        ]
    };
    for (state, bytes) in [("used", used), ("free", free), ("reserved", reserved)] {
        sheet.put(&SYSTEM_FILESYSTEM_USAGE, bytes, &with_state(state));
    }
    // What users cannot take does not count as room, as in `df`.
    let room = used.saturating_add(free);
    let share = (room > 0).then(|| used as f64 / room as f64);
    let [device, point, kind, _] = with_state("used");
    sheet.put(
        &SYSTEM_FILESYSTEM_UTILIZATION,
        share,
        &[device, point, kind],
    );
    if stat.f_files > 0 {
        let used = stat.f_files.saturating_sub(stat.f_ffree);
        for (state, inodes) in [("used", used), ("free", stat.f_ffree)] {
            sheet.put(&SYSTEM_FILESYSTEM_INODES_USAGE, inodes, &with_state(state));
        }
    }
}

/// Local file systems in order of the list. A device that is mounted more than once (bind mounts) counts once.
fn local(mounts: &str) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    let lines = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let mount = Mount {
            device: unescape(words.next()?),
            point: unescape(words.next()?),
            kind: words.next()?.to_owned(),
        };
        (is_local(&mount) && seen.insert(mount.device.clone())).then_some(mount)
    });
    lines.take(FILESYSTEMS_MAX).collect()
}

fn is_local(mount: &Mount) -> bool {
    let kind = mount.kind.as_str();
    let on_device = mount.device.starts_with("/dev/")
        && !SKIPPED_KINDS.contains(&kind)
        && (kind == "fuseblk" || !kind.starts_with("fuse"));
    on_device || kind == "zfs" || (kind == "overlay" && mount.point == "/")
}

/// `\040` is a space: blanks and backslashes stand as three octal digits.
fn unescape(word: &str) -> String {
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|octal| u8::from_str_radix(octal, 8).ok())
            .filter(u8::is_ascii);
        match (code, part.get(3..)) {
            (Some(code), Some(rest)) => {
                text.push(char::from(code));
                text.push_str(rest);
            }
            _ => {
                text.push('\\');
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_told_once() {
        let mounts = "proc /proc proc rw 0 0\n/dev/vda / ext4 rw 0 0\n/dev/vda /var/lib/kubelet ext4 rw 0 0\n\
            /dev/loop3 /snap/core squashfs ro 0 0\n/dev/sdb1 /my\\040disk xfs rw 0 0\nnas:/x /nfs nfs4 rw 0 0\n\
            tank/home /home zfs rw 0 0\n/dev/fuse /run/doc fuse.portal rw 0 0\ntmpfs /run tmpfs rw 0 0\noverlay /var/lib/docker/x overlay rw 0 0\ncut\n";
        let points: Vec<String> = local(mounts).into_iter().map(|m| m.point).collect();
        assert_eq!(points, ["/", "/my disk", "/home"]);
    }

    #[test]
    fn escapes_that_are_none_stay() {
        for (word, expected) in [
            ("a\\040b", "a b"),
            ("a\\134", "a\\"),
            ("\\", "\\"),
            ("\\9", "\\9"),
            ("\\777", "\\777"),
            ("\\04é", "\\04é"),
        ] {
            assert_eq!(unescape(word), expected);
        }
    }

    #[test]
    fn a_real_file_system_is_measured() {
        let mut sheet = Sheet::for_test();
        let folder = tempfile::tempdir().expect("a folder");
        put(&mut sheet, "/dev/x / ext4 rw 0 0\n", folder.path());
        let lines = sheet.lines();
        let used = "system.filesystem.usage{system.device=/dev/x,system.filesystem.mountpoint=/,system.filesystem.type=ext4,\
                    system.filesystem.state=used}";
        assert!(lines.iter().any(|l| l.starts_with(used)), "{lines:?}");
        assert!(
            lines
                .iter()
                .any(|l| l.starts_with("system.filesystem.utilization"))
        );
    }
}
