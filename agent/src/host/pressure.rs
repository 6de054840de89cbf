//! Pressure stall information, of the host or of a control group: for how long tasks waited for a resource.

use crate::instrument::{Instrument, key};
use crate::sheet::Sheet;

/// What tasks wait for.
pub(crate) const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];
const KINDS: [&str; 2] = ["some", "full"];

/// Reads lines such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=1100005377`, total in µs.
pub(crate) fn put(sheet: &mut Sheet, instrument: &Instrument, resource: &str, content: &str) {
    for kind in KINDS {
        let total_us = content
            .lines()
            .filter_map(|line| line.strip_prefix(kind))
            .find_map(|line| line.split_once("total=")?.1.trim().parse::<u64>().ok());
        sheet.put(
            instrument,
            total_us.map(|us| us as f64 / 1e6),
            &[
                (key::PRESSURE_RESOURCE, resource.into()),
                (key::PRESSURE_KIND, kind.into()),
            ],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::SYSTEM_PRESSURE_STALL_TIME;

    #[test]
    fn stalls_are_told_in_seconds() {
        let mut sheet = Sheet::for_test();
        let content = "some avg10=0.7 avg60=0.7 avg300=2.56 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=x\n";
        put(&mut sheet, &SYSTEM_PRESSURE_STALL_TIME, "io", content);
        assert_eq!(
            sheet.lines(),
            ["system.pressure.stall_time{pressure.resource=io,pressure.kind=some} 1.5"]
        );
    }
}
