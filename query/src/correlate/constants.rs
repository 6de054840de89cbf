//! The numbers of correlation, each with its reason (docs/correlation.md).

/// A relation holds from its first sample to this long after its last.
pub(super) const RELATION_HOLDS_MS: i64 = 60_000;
/// Steps of a lane at most.
pub(super) const STEPS_MAX: usize = 240;
/// Lanes of an answer at most: as many as a person looks at.
pub(super) const LANES_MAX: usize = 32;
/// Stretches of the critical path that a lane lists at most.
pub(super) const CRITICAL_MAX: usize = 2_000;
/// Resources of a trace that are looked for at most, those with most of the critical path first.
pub(super) const RESOURCES_MAX: usize = 512;
/// Parts of a signal that are shown: the disks or mounts with the largest values.
pub(super) const PARTS_MAX: usize = 4;
/// Points that one answer reads at most: 2,000 series for an hour and a quarter at 10 s, five times over.
pub(super) const SAMPLES_MAX: u64 = 5_000_000;
/// Values that one selector names at most; a trace with more resources on its path is partial.
pub(super) const VALUES_MAX: usize = 256;
/// Readings that a rate looks back over: 30 s for an agent that reads each 10 s.
pub(super) const READINGS: i64 = 3;
pub(super) const WINDOW_MS_MIN: i64 = 3_000;
pub(super) const WINDOW_MS_MAX: i64 = 300_000;
/// What is looked back over where a series has a single reading.
pub(super) const WINDOW_MS: i64 = 30_000;

/// What is usual is told by this long before the trace, and not by what is just before it.
pub(super) const USUAL_MS: i64 = 3_600_000;
pub(super) const USUAL_GAP_MS: i64 = 120_000;
pub(super) const USUAL_STEP_MS: i64 = 30_000;
/// Fewer steps than this say nothing of what is usual.
pub(super) const USUAL_STEPS_MIN: usize = 20;
/// A step is anomalous so many scales from the centre.
pub(super) const Z: f64 = 4.0;
/// The scale is the standard deviation that a median absolute deviation stands for, but at least this share of the median.
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;
pub(super) const SCALE_SHARE: f64 = 0.05;
/// An episode begins with 3 of 4 anomalous steps and ends after 4 others.
pub(super) const EPISODE_OF: usize = 4;
pub(super) const EPISODE_MIN: usize = 3;

/// A join below this is weak, and said to be.
pub(super) const CONFIDENT: f64 = 0.7;
/// Around a trace this much is shown at least.
pub(super) const PAD_NS_MIN: u64 = 50_000_000_000;
pub(crate) const PAD_NS_MAX: u64 = 3_600_000_000_000;
