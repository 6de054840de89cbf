//! A native histogram as PromQL computes with it (Prometheus: native histograms specification).

/// A distribution with exponential or custom buckets. Counts are f64 since PromQL scales and subtracts them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Bucket i of [`Buckets`] covers (base^(i − 1), base^i], base = 2^(2^−schema), −4 to 8; [`CUSTOM_SCHEMA`] means that bounds are `custom_bounds`.
    pub schema: i32,
    /// Upper bounds of custom buckets, ascending, without +Inf; empty for exponential ones.
    pub custom_bounds: Vec<f64>,
    /// |v| up to which a value counts as zero.
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub count: f64,
    pub sum: f64,
    pub positive: Buckets,
    pub negative: Buckets,
    pub reset_hint: ResetHint,
}

/// The schema of histograms whose bounds are listed.
pub const CUSTOM_SCHEMA: i32 = -53;

/// Consecutive buckets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Buckets {
    /// Index of the first count.
    pub offset: i32,
    pub counts: Vec<f64>,
}

/// Whether a counter began anew at this sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResetHint {
    #[default]
    Unknown,
    Reset,
    NotReset,
    /// It is no counter.
    Gauge,
}
