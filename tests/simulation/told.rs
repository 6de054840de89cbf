//! What series come to, window by window: as derived records tell it, and as the spans say that were sent. The two are compared to the last bucket, and
//! which bucket a duration falls into is worked out here by another way than the histograms'.

use std::collections::{BTreeMap, BTreeSet};

use telemetry::Tenant;
use telemetry::derived::{DeltaValue, SeriesDelta};
use telemetry::histogram::ExpHistogram;

/// Buckets of a histogram at most, and the scale it begins with, as docs/numbers.md promises.
const BUCKETS_MAX: i32 = 160;
const SCALE_MAX: i8 = 3;
const SCALE_MIN: i8 = -10;

/// A series and one of its windows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) tenant: String,
    pub(crate) name: String,
    /// As text, in order of names, without empty ones.
    pub(crate) labels: String,
    pub(crate) window_ms: i64,
}

impl Key {
    /// The series alone.
    fn series(&self) -> Self {
        Self {
            window_ms: 0,
            ..self.clone()
        }
    }
}

/// Labels as text: those that are not empty, in order of names.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> String {
    let there = pairs.iter().filter(|(_, value)| !value.is_empty());
    let there: BTreeSet<String> = there
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    there.into_iter().collect::<Vec<_>>().join(",")
}

/// What derived records add up to.
#[derive(Default)]
pub(crate) struct Told {
    seen: BTreeSet<Key>,
    counts: BTreeMap<Key, f64>,
    histograms: BTreeMap<Key, ExpHistogram>,
}

impl Told {
    pub(crate) fn add(&mut self, tenant: &Tenant, series: &SeriesDelta) {
        let labels = series.labels.iter().map(|(n, v)| format!("{n}={v}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        for window in &series.windows {
            let key = Key {
                tenant: tenant.to_string(),
                name: series.name.clone(),
                labels: labels.clone(),
                window_ms: window.start_unix_ms,
            };
            match &window.value {
                DeltaValue::Seen => {
                    self.seen.insert(key);
                }
                DeltaValue::Count(n) => *self.counts.entry(key).or_default() += n,
                DeltaValue::Histogram(more) if more.is_empty() => {} // exemplars alone
                DeltaValue::Histogram(more) => self.histograms.entry(key).or_default().merge(more),
            }
        }
    }

    /// The same without what does not belong to the question.
    pub(crate) fn of(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let wanted = |key: &&Key| wanted(&key.name);
        let counts = self.counts.iter().filter(|(key, _)| wanted(key));
        let histograms = self.histograms.iter().filter(|(key, _)| wanted(key));
        Self {
            seen: self.seen.iter().filter(wanted).cloned().collect(),
            counts: counts.map(|(key, n)| (key.clone(), *n)).collect(),
            histograms: histograms
                .map(|(key, h)| (key.clone(), h.clone()))
                .collect(),
        }
    }

    /// Its windows added up.
    fn over_all_time(&self) -> Self {
        let mut all = Self {
            seen: self.seen.iter().map(Key::series).collect(),
            ..Self::default()
        };
        for (key, n) in &self.counts {
            *all.counts.entry(key.series()).or_default() += n;
        }
        for (key, histogram) in &self.histograms {
            let sum = all.histograms.entry(key.series()).or_default();
            sum.merge(histogram);
        }
        all
    }

    /// Whether this is exactly what the spans say, in each window and over all of them.
    pub(crate) fn is_what(&self, said: &Said) -> Result<(), String> {
        self.agrees(said)?;
        let all = self.over_all_time().agrees(&said.over_all_time());
        all.map_err(|told| format!("all windows together: {told}"))
    }

    fn agrees(&self, said: &Said) -> Result<(), String> {
        if let Some(key) = self.seen.symmetric_difference(&said.seen).next() {
            return Err(format!("{key:?} is seen by one side alone"));
        }
        for key in union(&self.counts, &said.counts) {
            let [told, said] = [&self.counts, &said.counts].map(|all| all.get(key));
            if told.is_none() || told != said {
                return Err(format!("{key:?} is told as {told:?}, spans say {said:?}"));
            }
        }
        for key in union(&self.histograms, &said.durations) {
            let told = self.histograms.get(key).map(Distribution::told);
            let said = said.durations.get(key).map(|all| Distribution::said(all));
            let both = told.as_ref().zip(said.as_ref());
            if !both.is_some_and(|(told, said)| told.is(said)) {
                return Err(format!("{key:?} is told as {told:?}, spans say {said:?}"));
            }
        }
        Ok(())
    }
}

fn union<'a, A, B>(
    a: &'a BTreeMap<Key, A>,
    b: &'a BTreeMap<Key, B>,
) -> impl Iterator<Item = &'a Key> {
    let only_in_b = b.keys().filter(|key| !a.contains_key(*key));
    a.keys().chain(only_in_b)
}

/// Sums of f64 depend on their order.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(1e-9)
}

/// What the spans say.
#[derive(Default)]
pub(crate) struct Said {
    seen: BTreeSet<Key>,
    counts: BTreeMap<Key, f64>,
    durations: BTreeMap<Key, Vec<Duration>>,
}

/// A duration, and for how many of its like it stands.
#[derive(Debug, Clone, Copy)]
struct Duration {
    ns: u64,
    weight: f64,
}

impl Said {
    pub(crate) fn see(&mut self, key: Key) {
        self.seen.insert(key);
    }

    pub(crate) fn count(&mut self, key: Key, n: f64) {
        *self.counts.entry(key).or_default() += n;
    }

    pub(crate) fn observe(&mut self, key: Key, ns: u64, weight: f64) {
        let durations = self.durations.entry(key).or_default();
        durations.push(Duration { ns, weight });
    }

    fn over_all_time(&self) -> Self {
        let mut all = Self {
            seen: self.seen.iter().map(Key::series).collect(),
            ..Self::default()
        };
        for (key, n) in &self.counts {
            all.count(key.series(), *n);
        }
        for (key, durations) in &self.durations {
            let sum = all.durations.entry(key.series()).or_default();
            sum.extend(durations);
        }
        all
    }

    /// Histograms that did not fit into their buckets at the scale they began with.
    pub(crate) fn n_coarse(&self) -> usize {
        let all = self.over_all_time();
        let scales = all.durations.values().map(|all| scale_of(all));
        scales.filter(|scale| *scale < SCALE_MAX).count()
    }
}

/// A histogram, whoever made it.
#[derive(Debug)]
struct Distribution {
    scale: i8,
    /// Every weight was 1.
    is_whole: bool,
    count: f64,
    sum_s: f64,
    zeros: f64,
    /// By index; none is empty.
    buckets: BTreeMap<i32, f64>,
}

impl Distribution {
    fn told(told: &ExpHistogram) -> Self {
        let all = (told.offset()..).zip(told.buckets());
        Self {
            scale: told.scale(),
            is_whole: told.is_whole(),
            count: told.count(),
            sum_s: told.sum(),
            zeros: told.zero_count(),
            buckets: all.filter(|(_, count)| *count != 0.0).collect(),
        }
    }

    fn said(durations: &[Duration]) -> Self {
        let scale = scale_of(durations);
        let mut all = Self {
            scale,
            is_whole: durations.iter().all(|one| one.weight == 1.0),
            count: 0.0,
            sum_s: 0.0,
            zeros: 0.0,
            buckets: BTreeMap::new(),
        };
        for one in durations {
            all.count += one.weight;
            all.sum_s += one.ns as f64 / 1e9 * one.weight;
            match one.ns {
                0 => all.zeros += one.weight,
                ns => *all.buckets.entry(bucket(ns, scale)).or_default() += one.weight,
            }
        }
        all
    }

    /// Counts are equal, to the last bucket: the weights of these tests are small whole numbers.
    fn is(&self, other: &Self) -> bool {
        (self.scale, self.is_whole) == (other.scale, other.is_whole)
            && (self.count, self.zeros) == (other.count, other.zeros)
            && self.buckets == other.buckets
            && near(self.sum_s, other.sum_s)
    }
}

/// The finest scale at which all durations fit into the buckets.
fn scale_of(durations: &[Duration]) -> i8 {
    let ns = || durations.iter().map(|one| one.ns).filter(|ns| *ns > 0);
    let (Some(least), Some(most)) = (ns().min(), ns().max()) else {
        return SCALE_MAX;
    };
    let fits = |scale: &i8| bucket(most, *scale) - bucket(least, *scale) < BUCKETS_MAX;
    let found = (SCALE_MIN..=SCALE_MAX).rev().find(fits);
    found.expect("every duration fits at the coarsest scale")
}

/// The bucket i with base^i < s ≤ base^(i + 1), base = 2^(2^−scale). Without a logarithm or a table of bounds: a duration is squared as often as the scale
/// says, and then its bucket is the power of two that it lies above.
fn bucket(ns: u64, scale: i8) -> i32 {
    let mut power = ns as f64 / 1e9;
    for _ in 0..scale {
        power *= power;
    }
    let bits = power.to_bits();
    let exponent = (bits >> 52) as i32 - 1_023;
    let is_power_of_two = bits << 12 == 0;
    let above = exponent - i32::from(is_power_of_two);
    above >> (-scale).max(0)
}

#[test]
fn buckets_of_the_oracle_are_those_of_the_data_model() {
    // its example at scale 0: (1, 2] is bucket 0, (2, 4] is bucket 1, (0.5, 1] is bucket −1
    for (seconds, scale, expected) in [
        (1.0, 0, -1),
        (1.5, 0, 0),
        (2.0, 0, 0),
        (2.000_000_1, 0, 1),
        (1.0, 3, -1),
        (1.090_507, 3, 0),
        (1.090_508, 3, 1),
        (1.5, 3, 4),
        (4.0, 3, 15),
        (0.5, 3, -9),
        (16.0, -1, 1),
        (17.0, -1, 2),
        (16.0, -2, 0),
    ] {
        let ns = (seconds * 1e9) as u64;
        assert_eq!(bucket(ns, scale), expected, "{seconds} at {scale}");
    }
}
