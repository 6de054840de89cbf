//! `/proc/diskstats`: what each disk did.

use std::collections::BTreeMap;

use crate::file::word;
use crate::instrument::{
    SYSTEM_DISK_IO, SYSTEM_DISK_IO_TIME, SYSTEM_DISK_MERGED, SYSTEM_DISK_OPERATION_TIME,
    SYSTEM_DISK_OPERATIONS, SYSTEM_DISK_PENDING_OPERATIONS, key,
};
use crate::sheet::Sheet;

/// Disks told of.
const DISKS_MAX: usize = 256;
/// The kernel counts in these, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;
/// Word of the line at which the four figures of a direction begin: operations, merged, sectors, ms.
const DIRECTIONS: [(&str, usize); 2] = [("read", 3), ("write", 7)];
const PENDING: usize = 11;
const IO_MS: usize = 12;

/// Tells of disks that were used since boot.
pub(super) fn put(sheet: &mut Sheet, diskstats: &str, is_disk: impl Fn(&str) -> bool) {
    let disks = diskstats.lines().filter_map(|line| {
        let name = line.split_whitespace().nth(2)?;
        let was_used = DIRECTIONS
            .iter()
            .any(|(_, at)| word(line, *at).is_some_and(|n| n > 0));
        (was_used && is_disk(name)).then_some((name, line))
    });
    for (name, line) in disks.take(DISKS_MAX) {
        put_disk(sheet, name, line);
    }
}

fn put_disk(sheet: &mut Sheet, name: &str, line: &str) {
    let device = (key::DEVICE, name.into());
    for (direction, at) in DIRECTIONS {
        let attributes = [device, (key::DISK_IO_DIRECTION, direction.into())];
        let figure = |n: usize| word(line, at + n);
        let bytes = figure(2).map(|sectors| sectors.saturating_mul(SECTOR_BYTES));
        sheet.put(&SYSTEM_DISK_IO, bytes, &attributes);
        sheet.put(&SYSTEM_DISK_OPERATIONS, figure(0), &attributes);
        sheet.put(&SYSTEM_DISK_MERGED, figure(1), &attributes);
        sheet.put(
            &SYSTEM_DISK_OPERATION_TIME,
            figure(3).map(seconds),
            &attributes,
        );
    }
    sheet.put(
        &SYSTEM_DISK_IO_TIME,
        word(line, IO_MS).map(seconds),
        &[device],
    );
    sheet.put(
        &SYSTEM_DISK_PENDING_OPERATIONS,
        word(line, PENDING),
        &[device],
    );
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// Names of block devices by `major:minor`, as control groups name them.
pub(crate) fn names(diskstats: &str) -> BTreeMap<String, String> {
    let named = diskstats.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (major, minor, name) = (words.next()?, words.next()?, words.next()?);
        Some((format!("{major}:{minor}"), name.to_owned()))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VDA: &str = "254 0 vda 10 2 30 4000 50 6 70 8000 1 1200 9 0 0 0 0 3 4\n";

    #[test]
    fn a_disk_is_told_by_direction() {
        let mut sheet = Sheet::for_test();
        let stats =
            format!("7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n{VDA}254 1 vda1 1 1 1 1 1 1 1 1 0 1 1\n");
        put(&mut sheet, &stats, |name| !name.ends_with('1'));
        assert_eq!(
            sheet.lines(),
            [
                "system.disk.io{system.device=vda,disk.io.direction=read} 15360",
                "system.disk.io{system.device=vda,disk.io.direction=write} 35840",
                "system.disk.operations{system.device=vda,disk.io.direction=read} 10",
                "system.disk.operations{system.device=vda,disk.io.direction=write} 50",
                "system.disk.merged{system.device=vda,disk.io.direction=read} 2",
                "system.disk.merged{system.device=vda,disk.io.direction=write} 6",
                "system.disk.operation_time{system.device=vda,disk.io.direction=read} 4",
                "system.disk.operation_time{system.device=vda,disk.io.direction=write} 8",
                "system.disk.io_time{system.device=vda} 1.2",
                "system.disk.pending_operations{system.device=vda} 1",
            ]
        );
    }

    #[test]
    fn a_line_cut_short_tells_what_it_has() {
        let mut sheet = Sheet::for_test();
        put(&mut sheet, "254 0 vda 10\n254\n\n1 2", |_| true);
        assert_eq!(
            sheet.lines(),
            ["system.disk.operations{system.device=vda,disk.io.direction=read} 10"]
        );
    }

    #[test]
    fn devices_are_found_by_number() {
        assert_eq!(names(VDA).get("254:0").map(String::as_str), Some("vda"));
    }
}
