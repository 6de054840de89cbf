//! What work costs, as the operating system counts it: CPU time (user and system) and memory. Never wall time of one run.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has used.
#[must_use]
pub fn thread_cpu() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time that all threads of this process have used.
#[must_use]
pub fn process_cpu() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time that all threads of another process have used, those that ended among them. Resolution: a tick, usually 10 ms.
///
/// # Errors
/// When the process is not there any more.
pub fn cpu_of(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks =
        cpu_ticks(&stat).ok_or_else(|| io::Error::other("/proc/PID/stat has no CPU times"))?;
    let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    Ok(Duration::from_nanos(ticks * tick_ns))
}

/// `utime + stime` of a line of /proc/PID/stat: fields 14 and 15, counted after the name, which may hold blanks.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Resident now, in bytes.
    pub resident_bytes: u64,
    /// Most that was resident since the start or the last [`reset_peak`], in bytes.
    pub peak_bytes: u64,
}

/// Memory of a process, as /proc/PID/status tells it.
///
/// # Errors
/// When the process is not there any more.
pub fn memory_of(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Memory {
        resident_bytes: field_bytes(&status, "VmRSS:"),
        peak_bytes: field_bytes(&status, "VmHWM:"),
    })
}

/// Memory of this process.
///
/// # Errors
/// When /proc is not mounted.
pub fn memory() -> io::Result<Memory> {
    memory_of(std::process::id())
}

/// Forgets the peak so far of a process of ours.
///
/// # Errors
/// When /proc is not mounted or the process is not ours.
pub fn reset_peak(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn field_bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    kib.and_then(|text| text.trim().parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Bytes of all files below `folder`.
///
/// # Errors
/// When the folder cannot be read.
pub fn folder_bytes(folder: &std::path::Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.metadata() {
                Ok(about) if about.is_dir() => folders.push(entry.path()),
                Ok(about) => bytes += about.len(),
                // Deleted between the listing and here, by retention or compaction.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(bytes)
}

/// Cost of one thing, measured several times.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The middle one; of an even number the lower. 0 without any.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.0
            .get(self.0.len().saturating_sub(1) / 2)
            .copied()
            .unwrap_or(0.0)
    }

    /// The largest.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    /// `median / worst`, for a table.
    #[must_use]
    pub fn told(&self, decimals: usize) -> String {
        format!("{:.decimals$} / {:.decimals$}", self.median(), self.worst())
    }
}

/// One side of a comparison: its name and the work, which is the same amount each time.
pub struct Side<'a> {
    pub name: &'static str,
    pub work: Box<dyn FnMut() + 'a>,
}

impl<'a> Side<'a> {
    pub fn new(name: &'static str, work: impl FnMut() + 'a) -> Self {
        Self {
            name,
            work: Box::new(work),
        }
    }
}

/// Runs all sides in turn, `rounds` times after a first one that is not counted. ns of this thread's CPU time an item, a side each.
pub fn interleave(sides: &mut [Side<'_>], rounds: usize, n_items: u64) -> Vec<Samples> {
    let mut samples = vec![Samples::default(); sides.len()];
    for round in 0..=rounds {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            let before = thread_cpu();
            (side.work)();
            let cost = thread_cpu().saturating_sub(before);
            if round > 0 {
                samples.push(cost.as_nanos() as f64 / n_items as f64);
            }
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_read_after_a_name_with_blanks_and_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (x"), None);
    }

    #[test]
    fn memory_of_this_process_is_known_and_its_peak_can_be_reset() {
        let block = vec![1_u8; 64 << 20];
        assert!(memory().expect("/proc is there").resident_bytes > 64 << 20);
        drop(block);
        reset_peak(std::process::id()).expect("own process");
        let after = memory().expect("/proc is there");
        assert!(after.peak_bytes >= after.resident_bytes);
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let before = (thread_cpu(), process_cpu());
        let mut x = 1_u64;
        while thread_cpu() == before.0 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(process_cpu() > before.1);
    }

    #[test]
    fn samples_tell_median_and_worst() {
        let mut samples = Samples::default();
        [5.0, 1.0, 9.0]
            .into_iter()
            .for_each(|value| samples.push(value));
        assert_eq!(samples.told(1), "5.0 / 9.0");
    }
}
