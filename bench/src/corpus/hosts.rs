//! What hosts report each 10 s: counters, gauges, shares and constants, as a node exporter or an agent has them. In: a seed and sizes. Out: for each
//! request its series, whose values go on from scrape to scrape; `body` writes them as OTLP or as remote write.
//!
//! Numbers behave as those of hosts do: seconds are whole ticks of 10 ms, memory is whole pages, one metric in sixteen is noise in all its digits.

mod body;
mod native;

use std::ops::Range;

pub use body::{Otlp, RemoteWrite};
pub use native::natives;

use crate::rng::Rng;

/// Time between scrapes, in ms.
pub const STEP_MS: i64 = 10_000;
/// Series of a pod.
pub const N_POD_SERIES: usize = 100;
/// Series of one metric of one host: its devices.
const DEVICES: usize = 8;
/// Upper bounds of the buckets of a classic histogram, as instrumentations have them.
pub const BOUNDS: [&str; 12] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf",
];

/// How many steps there are from one value to the next: each is as likely as the others.
const BYTES_STEP_MAX: u64 = 1_000_000;
const EVENTS_STEP_MAX: u64 = 50;
const TICKS_STEP_MAX: u64 = 1_000;
const PAGES_STEPS: u64 = 65;
const BUCKET_STEP_MAX: u64 = 10;
const SHARE_BITS: u32 = 53;

/// How a value goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// A counter of bytes.
    Bytes,
    /// A counter of events.
    Events,
    /// A counter of seconds, in ticks of 10 ms.
    Seconds,
    /// A gauge of bytes, in whole pages.
    Pages,
    /// A gauge between 0 and 1 with all its digits.
    Share,
    /// A gauge that stays.
    Constant,
    /// A bucket of a classic histogram: it grows by more than the one below it.
    Bucket { idx: u64 },
}

impl Course {
    const OF_METRICS: [Self; 16] = [
        Self::Bytes,
        Self::Events,
        Self::Seconds,
        Self::Pages,
        Self::Bytes,
        Self::Events,
        Self::Constant,
        Self::Pages,
        Self::Bytes,
        Self::Events,
        Self::Seconds,
        Self::Share,
        Self::Bytes,
        Self::Events,
        Self::Constant,
        Self::Constant,
    ];

    /// What a lossless encoding cannot go below, in bits a value: how much the next one is not told by those before.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a figure in a table: no machine decides by it"
    )]
    pub fn entropy_bits(self) -> f64 {
        match self {
            Self::Bytes => BYTES_STEP_MAX as f64,
            Self::Events => EVENTS_STEP_MAX as f64,
            Self::Seconds => TICKS_STEP_MAX as f64,
            Self::Pages => PAGES_STEPS as f64,
            Self::Share => (1_u64 << SHARE_BITS) as f64,
            Self::Constant => 1.0,
            Self::Bucket { .. } => BUCKET_STEP_MAX as f64,
        }
        .log2()
    }

    fn is_counter(self) -> bool {
        !matches!(self, Self::Pages | Self::Share | Self::Constant)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "io_bytes",
            Self::Events => "operations",
            Self::Seconds => "busy_seconds",
            Self::Pages => "memory_bytes",
            Self::Share => "utilization_ratio",
            Self::Constant => "limit",
            Self::Bucket { .. } => "duration_seconds_bucket",
        }
    }
}

/// A value and how it goes on.
#[derive(Debug, Clone)]
pub struct Source {
    course: Course,
    state: u64,
}

impl Source {
    #[must_use]
    pub fn new(course: Course, rng: &mut Rng) -> Self {
        let state = match course {
            Course::Bucket { .. } => 0,
            Course::Pages => 1 << 18,
            _ => rng.below(1_000_000),
        };
        Self { course, state }
    }

    /// How it goes on.
    #[must_use]
    pub fn course(&self) -> Course {
        self.course
    }

    /// The next value.
    pub fn next(&mut self, rng: &mut Rng) -> f64 {
        match self.course {
            Course::Bytes => self.state += rng.below(BYTES_STEP_MAX),
            Course::Events => self.state += rng.below(EVENTS_STEP_MAX),
            Course::Seconds => self.state += rng.below(TICKS_STEP_MAX),
            Course::Pages => {
                self.state = (self.state + rng.below(PAGES_STEPS)).saturating_sub(PAGES_STEPS / 2);
            }
            Course::Share => self.state = rng.below(1 << SHARE_BITS),
            Course::Constant => {}
            Course::Bucket { idx } => self.state += 10 * (idx + 1) + rng.below(BUCKET_STEP_MAX),
        }
        match self.course {
            Course::Seconds => self.state as f64 / 100.0,
            Course::Pages => self.state as f64 * 4_096.0,
            Course::Share => self.state as f64 / (1_u64 << SHARE_BITS) as f64,
            _ => self.state as f64,
        }
    }
}

/// Many hosts alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    pub seed: u64,
    /// At most 65,536.
    pub n_hosts: usize,
    /// Series of a host.
    pub host_series: usize,
}

/// One metric of one host: its series differ by `device` and `mode`.
#[derive(Debug, Clone)]
pub struct HostMetric {
    pub course: Course,
    /// As Prometheus has it.
    pub name: String,
    pub sources: Vec<Source>,
}

/// A host and what it reports.
#[derive(Debug, Clone)]
pub struct Host {
    pub name: String,
    pub id: String,
    pub instance: String,
    pub zone: &'static str,
    pub metrics: Vec<HostMetric>,
}

/// A series with all its labels, sorted by name.
#[derive(Debug, Clone)]
pub struct Line {
    pub labels: Vec<(String, String)>,
    pub source: Source,
}

impl Fleet {
    /// Some of its hosts: the same, whichever others are asked for.
    pub fn hosts(self, range: Range<usize>) -> impl Iterator<Item = Host> {
        range.map(move |n| self.host(n))
    }

    fn host(self, n: usize) -> Host {
        let mut rng = Rng::new(self.seed ^ n as u64);
        let n_metrics = self.host_series.div_ceil(DEVICES);
        let metric = |at: usize| {
            let course = Course::OF_METRICS[at % Course::OF_METRICS.len()];
            let total = if course.is_counter() { "_total" } else { "" };
            let n_series = DEVICES.min(self.host_series - at * DEVICES);
            HostMetric {
                course,
                name: format!("node_{at:02}_{}{total}", course.name()),
                sources: (0..n_series)
                    .map(|_| Source::new(course, &mut rng))
                    .collect(),
            }
        };
        Host {
            name: format!("node-{n:05}.example.internal"),
            id: format!(
                "{:032x}",
                (u128::from(self.seed) << 64) | (n as u128 * 7_919)
            ),
            instance: format!("10.{}.{}.7:9100", n / 256, n % 256),
            zone: ["eu-1a", "eu-1b", "eu-1c"][n % 3],
            metrics: (0..n_metrics).map(metric).collect(),
        }
    }

    /// The series of some of its hosts, as a Prometheus that scrapes them writes them on: 10 labels each.
    #[must_use]
    pub fn lines(self, range: Range<usize>) -> Vec<Line> {
        let hosts = self.hosts(range);
        hosts.flat_map(|host| host_lines(&host)).collect()
    }
}

fn host_lines(host: &Host) -> Vec<Line> {
    let mut lines = Vec::new();
    for metric in &host.metrics {
        for (device, source) in metric.sources.iter().enumerate() {
            let pairs = [
                ("__name__", metric.name.as_str()),
                ("cluster", "production-eu-1"),
                ("device", DEVICE_NAMES[device % DEVICES]),
                ("environment", "production"),
                ("host_id", &host.id),
                ("host_name", &host.name),
                ("instance", &host.instance),
                ("job", "node"),
                ("mode", ["user", "system", "idle"][device % 3]),
                ("zone", host.zone),
            ];
            lines.push(line(pairs, source.clone()));
        }
    }
    lines
}

const DEVICE_NAMES: [&str; DEVICES] = [
    "nvme0n1", "nvme1n1", "sda", "sdb", "eth0", "eth1", "cpu0", "cpu1",
];

fn line<const N: usize>(pairs: [(&str, &str); N], source: Source) -> Line {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Line {
        labels: pairs.map(owned).to_vec(),
        source,
    }
}

/// Classic histograms of a service, with a series a bucket.
#[must_use]
pub fn classics(n_series: usize) -> Vec<Line> {
    let mut rng = Rng::new(3);
    let series = |n: usize| {
        let (histogram, idx) = (n / BOUNDS.len(), n % BOUNDS.len());
        let course = Course::Bucket { idx: idx as u64 };
        let pairs = [
            ("__name__", "request_duration_seconds_bucket"),
            ("instance", &*format!("i-{:04}", histogram / 10)),
            ("job", "shop"),
            ("le", BOUNDS[idx]),
            ("route", &*format!("/route/{}", histogram % 10)),
        ];
        line(pairs, Source::new(course, &mut rng))
    };
    (0..n_series).map(series).collect()
}

/// A pod of a cluster in which none lives long: `N_POD_SERIES` series, named by what no other pod has.
#[must_use]
pub fn pod(n: u64) -> Vec<Line> {
    let mut rng = Rng::new(n);
    let id = format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64());
    let series = |at: usize| {
        let course = Course::OF_METRICS[at % Course::OF_METRICS.len()];
        let pairs = [
            ("__name__", &*format!("container_{at:02}_{}", course.name())),
            ("cluster", "production-eu-1"),
            ("container_id", &id),
            ("job", "kubelet"),
            ("namespace", ["shop", "search", "mail"][n as usize % 3]),
            ("node", &*format!("node-{:05}", n % 300)),
            ("pod", &*format!("pod-{n:09}")),
        ];
        line(pairs, Source::new(course, &mut rng))
    };
    (0..N_POD_SERIES).map(series).collect()
}

/// One gauge of very many things.
#[must_use]
pub fn wide(n_series: usize) -> Vec<Line> {
    let mut rng = Rng::new(4);
    let series = |n: usize| {
        let pairs = [
            ("__name__", "wide_bytes_total"),
            ("job", "wide"),
            ("pod", &*format!("pod-{:06}", n / 10)),
            ("volume", &*format!("v{}", n % 10)),
        ];
        line(pairs, Source::new(Course::Bytes, &mut rng))
    };
    (0..n_series).map(series).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: Fleet = Fleet {
        seed: 7,
        n_hosts: 3,
        host_series: 125,
    };

    #[test]
    fn a_host_has_its_series_each_with_labels_of_its_own() {
        let mut all: Vec<_> = FLEET
            .lines(0..3)
            .into_iter()
            .map(|line| line.labels)
            .collect();
        assert_eq!(all.len(), 375);
        assert!(all.iter().all(|labels| labels.is_sorted()));
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 375);
    }

    #[test]
    fn counters_never_fall_and_buckets_stand_above_each_other() {
        let mut rng = Rng::new(1);
        for course in Course::OF_METRICS {
            let mut source = Source::new(course, &mut rng);
            let values: Vec<f64> = (0..100).map(|_| source.next(&mut rng)).collect();
            assert!(!course.is_counter() || values.is_sorted(), "{course:?}");
            assert!(values.iter().all(|value| value.is_finite()));
        }
        let mut buckets: Vec<Line> = classics(12);
        for _ in 0..20 {
            let values: Vec<f64> = buckets
                .iter_mut()
                .map(|line| line.source.next(&mut rng))
                .collect();
            assert!(values.is_sorted(), "{values:?}");
        }
    }
}
