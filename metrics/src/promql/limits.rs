//! What a query may cost, and which parts of the language are on.

use std::time::Duration;

/// Features of PromQL that Prometheus has behind flags, named as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// `promql-experimental-functions`.
    pub experimental_functions: bool,
    /// `promql-duration-expr`.
    pub duration_expressions: bool,
    /// `promql-delayed-name-removal`.
    pub delayed_name_removal: bool,
}

pub(super) const EXPERIMENTAL_FUNCTIONS: &str = "promql-experimental-functions";
pub(super) const DURATION_EXPRESSIONS: &str = "promql-duration-expr";
pub(super) const DELAYED_NAME_REMOVAL: &str = "promql-delayed-name-removal";

impl Features {
    /// From the names of `query.promql_features`.
    ///
    /// # Errors
    /// The first name that is none of ours.
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self, UnknownFeature> {
        let mut features = Self::default();
        for name in names {
            let flag = match name.as_ref() {
                EXPERIMENTAL_FUNCTIONS => &mut features.experimental_functions,
                DURATION_EXPRESSIONS => &mut features.duration_expressions,
                DELAYED_NAME_REMOVAL => &mut features.delayed_name_removal,
                unknown => return Err(UnknownFeature(unknown.to_owned())),
            };
            *flag = true;
        }
        Ok(features)
    }
}

/// A name in `query.promql_features` that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no feature of this version: there are {EXPERIMENTAL_FUNCTIONS}, {DURATION_EXPRESSIONS} and {DELAYED_NAME_REMOVAL}"
)]
pub struct UnknownFeature(pub String);

/// Bounds of every query.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// How old a sample may be to count at an instant. Default 5 min.
    pub lookback: Duration,
    /// Default 30 s.
    pub timeout: Duration,
    /// Samples that are read. Default 50 000 000.
    pub samples_max: u64,
    /// Bytes of samples that are held at once. Default 64 MiB.
    pub memory_bytes_max: u64,
    /// Instants of a range query, and of a subquery over all steps. Default 11 000.
    pub points_max: u32,
    /// Longest range of a query. Default 31 d.
    pub range_max: Duration,
    pub features: Features,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lookback: Duration::from_mins(5),
            timeout: Duration::from_secs(30),
            samples_max: crate::store::SAMPLES_MAX,
            memory_bytes_max: 64 << 20,
            points_max: 11_000,
            range_max: Duration::from_hours(31 * 24),
            features: Features::default(),
        }
    }
}

/// What one query asks for; none takes what the engine has, and nobody gets more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueryOptions {
    pub lookback: Option<Duration>,
    pub timeout: Option<Duration>,
    pub samples_max: Option<u64>,
}
