//! `/proc/<pid>/stat`: one line, whose second field may hold anything, blanks and brackets too.

use std::path::Path;

use crate::file;

/// What the line tells of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Name of the executable, at most 15 bytes.
    pub(crate) name: String,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    pub(crate) user_ticks: u64,
    pub(crate) system_ticks: u64,
    pub(crate) n_threads: u64,
    /// Ticks from boot to its start.
    pub(crate) start_ticks: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) rss_pages: u64,
}

impl Stat {
    pub(crate) fn read(proc: &Path, pid: u64) -> Option<Self> {
        let path = proc.join(pid.to_string()).join("stat");
        Self::parse(&file::read_short(&path)?)
    }

    /// `None` where a figure is missing: a line cut short is not half a process.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once('(')?;
        let (name, rest) = rest.rsplit_once(')')?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        // The manual of proc counts fields from 1; the state is field 3.
        let figure = |field: usize| words.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            name: name.to_owned(),
            minor_faults: figure(10)?,
            major_faults: figure(12)?,
            user_ticks: figure(14)?,
            system_ticks: figure(15)?,
            n_threads: figure(20)?,
            start_ticks: figure(22)?,
            virtual_bytes: figure(23)?,
            // Counted in several places, it can be below 0 for a moment.
            rss_pages: figure(24).unwrap_or(0),
        })
    }

    pub(crate) fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }

    /// A thread of the kernel.
    pub(crate) fn is_kernel(&self) -> bool {
        self.virtual_bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str =
        "S 1 2 3 0 -1 4194304 10 11 12 13 140 150 16 17 20 0 21 0 2200 2300 24 99 1 2";

    #[test]
    fn figures_stand_where_the_manual_says() {
        let stat = Stat::parse(&format!("71 (my (odd) name) {REST}")).expect("valid");
        let expected = Stat {
            name: "my (odd) name".to_owned(),
            minor_faults: 10,
            major_faults: 12,
            user_ticks: 140,
            system_ticks: 150,
            n_threads: 21,
            start_ticks: 2_200,
            virtual_bytes: 2_300,
            rss_pages: 24,
        };
        assert_eq!(stat, expected);
    }

    #[test]
    fn lines_that_are_none_are_nothing() {
        for line in [
            "",
            "71",
            "71 (a",
            "71 a) S",
            ")(",
            "71 (a) S 1 2",
            &format!("71 (a) {}", REST.replace("2200", "x")),
        ] {
            assert_eq!(Stat::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn this_process_reads_itself() {
        let pid = u64::from(std::process::id());
        let stat = Stat::read(Path::new("/proc"), pid).expect("this process runs");
        assert!(stat.rss_pages > 0 && stat.n_threads > 0 && !stat.is_kernel());
        assert_eq!(Stat::read(Path::new("/proc"), u64::MAX), None);
    }
}
