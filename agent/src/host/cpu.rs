//! `/proc/stat` and `/proc/loadavg`: where the time of each CPU went, and how many tasks want one.

use super::finite;
use crate::instrument::{
    Instrument, SYSTEM_CPU_LOAD_1M, SYSTEM_CPU_LOAD_5M, SYSTEM_CPU_LOAD_15M,
    SYSTEM_CPU_LOGICAL_COUNT, SYSTEM_CPU_TIME, key,
};
use crate::sheet::Sheet;

/// CPUs told of. The largest machines have some hundred.
const CPUS_MAX: usize = 1_024;
/// Columns of a line that begins with `cpu`, after its name. Interrupts and soft interrupts are one mode; time of guests is in user and nice already.
const MODES: [(&str, &[usize]); 7] = [
    ("user", &[0]),
    ("nice", &[1]),
    ("system", &[2]),
    ("idle", &[3]),
    ("iowait", &[4]),
    ("interrupt", &[5, 6]),
    ("steal", &[7]),
];

pub(super) fn put_times(sheet: &mut Sheet, stat: &str, ticks_per_s: f64) {
    let mut n_cpus = 0_u64;
    for (number, line) in stat.lines().filter_map(cpu_line).take(CPUS_MAX) {
        n_cpus += 1;
        let ticks: Vec<Option<u64>> = line.split_whitespace().map(|w| w.parse().ok()).collect();
        for (mode, columns) in MODES {
            let column = |c: &usize| ticks.get(*c).copied().flatten();
            let sum = columns
                .iter()
                .map(column)
                .try_fold(0_f64, |sum, ticks| Some(sum + ticks? as f64));
            sheet.put(
                &SYSTEM_CPU_TIME,
                sum.map(|ticks| ticks / ticks_per_s),
                &[
                    (key::CPU_MODE, mode.into()),
                    (key::CPU_LOGICAL_NUMBER, number.into()),
                ],
            );
        }
    }
    sheet.put(
        &SYSTEM_CPU_LOGICAL_COUNT,
        (n_cpus > 0).then_some(n_cpus),
        &[],
    );
}

/// The number of a CPU and the rest of its line. The line of all together has no number.
fn cpu_line(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.strip_prefix("cpu")?.split_once(' ')?;
    Some((number.parse().ok()?, rest))
}

pub(super) fn put_load(sheet: &mut Sheet, loadavg: &str) {
    let instruments: [&Instrument; 3] = [
        &SYSTEM_CPU_LOAD_1M,
        &SYSTEM_CPU_LOAD_5M,
        &SYSTEM_CPU_LOAD_15M,
    ];
    for (instrument, load) in instruments.into_iter().zip(loadavg.split_whitespace()) {
        sheet.put(instrument, finite(load.parse().ok()), &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_cpu_and_mode() {
        let mut sheet = Sheet::for_test();
        put_times(
            &mut sheet,
            "cpu  10 2 3 4 5 6 7 8 0 0\ncpu0 100 20 30 40 50 60 70 80 5 5\nintr 5\nbtime 9\n",
            100.0,
        );
        assert_eq!(
            sheet.lines(),
            [
                "system.cpu.time{cpu.mode=user,cpu.logical_number=0} 1",
                "system.cpu.time{cpu.mode=nice,cpu.logical_number=0} 0.2",
                "system.cpu.time{cpu.mode=system,cpu.logical_number=0} 0.3",
                "system.cpu.time{cpu.mode=idle,cpu.logical_number=0} 0.4",
                "system.cpu.time{cpu.mode=iowait,cpu.logical_number=0} 0.5",
                "system.cpu.time{cpu.mode=interrupt,cpu.logical_number=0} 1.3",
                "system.cpu.time{cpu.mode=steal,cpu.logical_number=0} 0.8",
                "system.cpu.logical.count{} 1",
            ]
        );
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut sheet = Sheet::for_test();
        put_times(&mut sheet, "cpu1 1 x\ncpux 1 2\ncpu\ncpu-1 5\n", 1.0);
        put_load(&mut sheet, "0.5 nan x 1/2");
        assert_eq!(
            sheet.lines(),
            [
                "system.cpu.time{cpu.mode=user,cpu.logical_number=1} 1",
                "system.cpu.logical.count{} 1",
                "system.cpu.load_average.1m{} 0.5",
            ]
        );
    }
}
