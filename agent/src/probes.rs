//! All probes together, and when each is due. In: the second. Out: requests. It reads files and blocks meanwhile, so its owner calls it off the async threads.

use std::path::PathBuf;
use std::time::Duration;

use telemetry::Clock;

use crate::batch::{Batch, batches};
use crate::config::{Config, Probe};
use crate::container::ContainerProbe;
use crate::host::{HostProbe, address, boot_unix_s};
use crate::instrument::{
    AGENT_BUFFER_USAGE, AGENT_POINTS_DROPPED, AGENT_POINTS_SENT, AGENT_PROBE_INTERVAL,
    AGENT_PROBE_TIME, key,
};
use crate::process::ProcessProbe;
use crate::push::Counts;
use crate::resource::Host;
use crate::schedule::{Changed, SLOW, Schedule};
use crate::sheet::Sheet;

/// What reads the host.
#[derive(Debug)]
pub(crate) struct Probes {
    clock: Clock,
    host: Host,
    proc: PathBuf,
    /// When it is looked where the host is reached.
    addresses: Schedule,
    boot_unix_ns: u64,
    /// Since when the agent counts its own doings.
    begin_unix_ns: u64,
    probes: Vec<Timed>,
}

/// A probe with its times.
#[derive(Debug)]
struct Timed {
    probe: Probe,
    reader: Reader,
    schedule: Schedule,
    spent: Duration,
}

#[derive(Debug)]
enum Reader {
    Host(HostProbe),
    Container(Box<ContainerProbe>),
    Process(ProcessProbe),
}

impl Probes {
    pub(crate) fn new(config: &Config, clock: Clock) -> Self {
        let host = Host::find(&config.paths, &config.attributes);
        if !host.is_known() {
            tracing::warn!(
                code = "TW8001",
                etc = %config.paths.etc.display(),
                "this host has neither a machine-id nor a name: set host.name in agent.attributes"
            );
        }
        let now_unix_ns = unix_ns(&clock);
        let boot_unix_s = boot_unix_s(&config.paths.proc);
        let mut wanted = config.probes.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let timed = |probe| Timed {
            probe,
            reader: Reader::new(probe, config, &clock, now_unix_ns),
            schedule: Schedule::new(config.interval),
            spent: Duration::ZERO,
        };
        Self {
            host,
            proc: config.paths.proc.clone(),
            addresses: Schedule::new(config.interval),
            boot_unix_ns: boot_unix_s.map_or(now_unix_ns, |s| s.saturating_mul(1_000_000_000)),
            begin_unix_ns: now_unix_ns,
            probes: wanted.into_iter().map(timed).collect(),
            clock,
        }
    }

    /// Reads what is due in this second. `counts` are the pusher's, told on the way.
    pub(crate) fn round(&mut self, counts: &Counts) -> Vec<Batch> {
        let made_unix_ms = self.clock.wall().unix_ms;
        let now_unix_ns = unix_ns(&self.clock);
        let mut sheets = Vec::new();
        let mut any_due = false;
        if self.addresses.take_due(now_unix_ns / 1_000_000_000) {
            self.host.reach_at(address::of_host(&self.proc));
        }
        for timed in &mut self.probes {
            let is_due = timed.schedule.take_due(now_unix_ns / 1_000_000_000);
            any_due |= is_due;
            if !is_due && !timed.looks_each_second() {
                continue;
            }
            let begin = self.clock.monotonic();
            sheets.extend(timed.reader.read(
                &mut self.host,
                self.boot_unix_ns,
                now_unix_ns,
                is_due,
            ));
            timed.took(now_unix_ns, self.clock.monotonic() - begin, is_due);
        }
        if any_due {
            sheets.push(self.own(counts, now_unix_ns));
        }
        batches(sheets, made_unix_ms)
    }

    /// What the agent tells of itself, since nobody can ask it.
    fn own(&self, counts: &Counts, now_unix_ns: u64) -> Sheet {
        let mut sheet = Sheet::new(self.host.resource(), self.begin_unix_ns, now_unix_ns);
        for timed in &self.probes {
            let probe = [(key::PROBE, timed.probe.name().into())];
            sheet.put(&AGENT_PROBE_TIME, timed.spent.as_secs_f64(), &probe);
            let interval_s = timed.schedule.interval().as_secs_f64();
            sheet.put(&AGENT_PROBE_INTERVAL, interval_s, &probe);
        }
        sheet.put(&AGENT_POINTS_SENT, counts.sent, &[]);
        for (reason, count) in counts.dropped() {
            let attributes = [(key::REASON, reason.into())];
            sheet.put(&AGENT_POINTS_DROPPED, count, &attributes);
        }
        sheet.put(&AGENT_BUFFER_USAGE, counts.buffer_bytes, &[]);
        sheet
    }
}

fn unix_ns(clock: &Clock) -> u64 {
    let unix_ms = u64::try_from(clock.wall().unix_ms).unwrap_or(0);
    unix_ms.saturating_mul(1_000_000)
}

impl Timed {
    /// Whether it has something to read between its due times: young containers. Not while it is slow.
    fn looks_each_second(&self) -> bool {
        matches!(self.reader, Reader::Container(_)) && !self.schedule.is_stretched()
    }

    fn took(&mut self, now_unix_ns: u64, took: Duration, was_due: bool) {
        self.spent += took;
        // A quick look in between says nothing about how long a whole reading takes.
        if !was_due && took <= SLOW {
            return;
        }
        let probe = self.probe.name();
        match self.schedule.took(now_unix_ns / 1_000_000_000, took) {
            Changed::No => {}
            Changed::Longer(interval) => tracing::warn!(
                code = "TW8002",
                "probe {probe} took {} ms (more than {} ms): read each {} s from now on",
                took.as_millis(),
                SLOW.as_millis(),
                interval.as_secs()
            ),
            Changed::Shorter(interval) => tracing::info!(
                code = "TW8003",
                "probe {probe} is quick again: read each {} s from now on",
                interval.as_secs()
            ),
        }
    }
}

impl Reader {
    fn new(probe: Probe, config: &Config, clock: &Clock, now_unix_ns: u64) -> Self {
        match probe {
            Probe::Host => Self::Host(HostProbe::new(config.paths.clone())),
            Probe::Container => {
                let probe = ContainerProbe::new(config, clock, now_unix_ns);
                Self::Container(Box::new(probe))
            }
            Probe::Process => Self::Process(ProcessProbe::new(config)),
        }
    }

    fn read(
        &mut self,
        host: &mut Host,
        boot_unix_ns: u64,
        now_unix_ns: u64,
        is_due: bool,
    ) -> Vec<Sheet> {
        match self {
            Self::Host(probe) => {
                let mut sheet = Sheet::new(host.resource(), boot_unix_ns, now_unix_ns);
                probe.observe(&mut sheet);
                vec![sheet]
            }
            Self::Container(probe) => probe.observe(host, now_unix_ns, is_due),
            Self::Process(probe) => probe.observe(host, now_unix_ns),
        }
    }
}

impl Probe {
    fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Container => "container",
            Self::Process => "process",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::decode;
    use crate::sheet::lines_of;

    /// A minute of the clock: every interval, stretched or not, begins there.
    const BEGIN_MS: i64 = 1_700_000_040_000;

    #[test]
    fn every_probe_is_read_at_once_and_again_when_it_is_due() {
        let clock = Clock::manual(BEGIN_MS);
        let mut probes = Probes::new(&Config::default(), clock.clone());
        let mut lines = || -> Vec<String> {
            let batches = probes.round(&Counts::default());
            let told = batches.iter().flat_map(decode);
            told.flat_map(|metrics| lines_of(&metrics)).collect()
        };
        for step_ms in [0, 60_000] {
            clock.advance(step_ms);
            let told = lines();
            for begin in ["system.", "process.", "tracewell.agent.points.sent{} 0"] {
                assert!(told.iter().any(|l| l.starts_with(begin)), "{begin}");
            }
            let again = lines();
            assert!(!again.iter().any(|l| l.starts_with("system.")));
        }
    }

    #[test]
    fn a_probe_that_is_not_wanted_is_not_read() {
        let config = Config {
            probes: vec![Probe::Process, Probe::Process],
            ..Config::default()
        };
        let mut probes = Probes::new(&config, Clock::manual(BEGIN_MS));
        let batches = probes.round(&Counts::default());
        let told: Vec<String> = batches
            .iter()
            .flat_map(decode)
            .flat_map(|metrics| lines_of(&metrics))
            .collect();
        assert!(!told.iter().any(|l| l.starts_with("system.")));
        let times = "tracewell.agent.probe.time";
        assert_eq!(told.iter().filter(|l| l.starts_with(times)).count(), 1);
    }
}
