//! What can be set about queries.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use metrics::promql::{Features, UnknownFeature};
use serde::{Deserialize, Serialize};
use telemetry::units;

/// `[query]`: the port that answers, and how much one may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where HTTP and gRPC queries are answered. Default 127.0.0.1:16686.
    pub listen: SocketAddr,
    /// Queries that run at once; more wait. Default 4.
    pub running_max: usize,
    /// How long a query waits for its turn before it is refused with 429. Default 10 s.
    #[serde(with = "units::duration")]
    pub queue_wait: Duration,
    /// How long a query may run before it is given up with 503. Default 30 s.
    #[serde(with = "units::duration")]
    pub deadline: Duration,
    /// Bytes of OTLP that one answer may be made of; more is 422. Default 64 MiB.
    #[serde(with = "units::bytes")]
    pub answer_bytes_max: u64,
    /// Tails (streams of traces as they come) that are served at once. Default 16.
    pub tails_max: usize,
    /// How often a tail looks for new traces. Default 500 ms.
    #[serde(with = "units::duration")]
    pub tail_interval: Duration,
    /// Parts of PromQL that Prometheus has behind feature flags, by their names there: `promql-experimental-functions`, `promql-duration-expr`,
    /// `promql-delayed-name-removal`. Default none.
    pub promql_features: PromqlFeatures,
}

/// Feature flags of PromQL by name, each of which there is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct PromqlFeatures {
    names: Vec<String>,
    features: Features,
}

impl PromqlFeatures {
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn features(&self) -> Features {
        self.features
    }
}

impl TryFrom<Vec<String>> for PromqlFeatures {
    type Error = UnknownFeature;

    fn try_from(names: Vec<String>) -> Result<Self, UnknownFeature> {
        let features = Features::from_names(&names)?;
        Ok(Self { names, features })
    }
}

impl From<PromqlFeatures> for Vec<String> {
    fn from(features: PromqlFeatures) -> Self {
        features.names
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 16_686)),
            running_max: 4,
            queue_wait: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
            answer_bytes_max: 64 << 20,
            tails_max: 16,
            tail_interval: Duration::from_millis(500),
            promql_features: PromqlFeatures::default(),
        }
    }
}
