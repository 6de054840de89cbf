//! `[sampler]` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::units;

use crate::policy::text::{PolicyText, RateText, RuleText, SamplerText, TenantText, Unmatched};
use crate::policy::{Policy, PolicyError};
use crate::red::SeriesMax;

/// How traces are assembled and which are kept. All of it travels in the log as a policy (docs/sampling.md).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Shard time after a trace's first span at which it is decided, complete or not. Default 30 s.
    #[serde(with = "units::duration")]
    pub decision_wait: Duration,
    /// Shard time without a span, after the root's end came, at which a trace is decided. Default 2 s.
    #[serde(with = "units::duration")]
    pub root_quiet: Duration,
    /// Shard time for which a decision binds late spans, and a request is recognised when it is sent again; at least twice `decision_wait`.
    /// Default 5 min.
    #[serde(with = "units::duration")]
    pub late_window: Duration,
    /// Spans a trace holds before it is settled early. Default 20 000.
    pub trace_spans_max: u32,
    /// Bytes of spans a trace holds before it is settled early. Default 32 MiB.
    #[serde(with = "units::bytes")]
    pub trace_bytes_max: u64,
    /// Memory that the open traces of a partition may take before the largest are settled early. Default: what 35 % of `server.memory_max` gives to
    /// each partition.
    pub partition_memory: PartitionMemory,
    /// What becomes of a trace that no rule takes. Default keep.
    pub unmatched: Unmatched,
    /// Rules in order; the first whose `when` holds takes the trace. Default: traces with an error are kept, at most 500 a second; the rest at a rate
    /// of 500 a second.
    pub rules: Vec<RuleText>,
    /// `metrics.red.dimensions`: attributes that become labels of series of spans. It is set there, and travels with the policy.
    #[serde(skip)]
    pub red_dimensions: Vec<String>,
    /// `metrics.red.series_max` and `metrics.red.span_names_max`, likewise.
    #[serde(skip)]
    pub red_series_max: SeriesMax,
    /// Rules that a tenant has instead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, TenantText>,
}

/// An amount, or the sampler's share of the process over the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionMemory {
    #[default]
    Auto,
    Bytes(u64),
}

/// Of the process's memory, in percent.
const MEMORY_SHARE_PERCENT: u64 = 35;
/// Partition memory of revision 0, which no configuration wrote.
const PARTITION_MEMORY_OF_REVISION_0: u64 = 256 << 20;
const DEFAULT_TRACES_PER_SECOND: f64 = 500.0;

impl Default for Config {
    fn default() -> Self {
        Self {
            decision_wait: Duration::from_secs(30),
            root_quiet: Duration::from_secs(2),
            late_window: Duration::from_secs(300),
            trace_spans_max: 20_000,
            trace_bytes_max: 32 << 20,
            partition_memory: PartitionMemory::Auto,
            unmatched: Unmatched::Keep,
            rules: default_rules(),
            red_dimensions: Vec::new(),
            red_series_max: SeriesMax::default(),
            tenants: BTreeMap::new(),
        }
    }
}

fn default_rules() -> Vec<RuleText> {
    let rate = RateText::traces(DEFAULT_TRACES_PER_SECOND);
    let parameters = [(
        "traces_per_second".to_owned(),
        toml::Value::Float(DEFAULT_TRACES_PER_SECOND),
    )];
    vec![
        RuleText {
            name: "errors".to_owned(),
            when: Some("any { status = error }".to_owned()),
            sampler: SamplerText::plain("keep"),
            ceiling: Some(rate),
        },
        RuleText {
            name: "rest".to_owned(),
            when: None,
            sampler: SamplerText {
                kind: "rate".to_owned(),
                parameters: parameters.into_iter().collect(),
            },
            ceiling: None,
        },
    ]
}

impl Config {
    /// Whether a policy can be made of it.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), PolicyError> {
        Policy::parse(0, &self.policy_text(PARTITION_MEMORY_OF_REVISION_0, 1), 1).map(|_| ())
    }

    /// The policy that goes into the log, for a process with so much memory over so many partitions.
    #[must_use]
    pub fn policy_text(&self, memory_bytes: u64, n_partitions: u32) -> String {
        let partition_memory = match self.partition_memory {
            PartitionMemory::Bytes(bytes) => bytes,
            PartitionMemory::Auto => {
                memory_bytes / 100 * MEMORY_SHARE_PERCENT / u64::from(n_partitions.max(1))
            }
        };
        let (max, usual) = (self.red_series_max, SeriesMax::default());
        let text = PolicyText {
            decision_wait: self.decision_wait,
            root_quiet: self.root_quiet,
            late_window: self.late_window,
            trace_spans_max: self.trace_spans_max,
            trace_bytes_max: self.trace_bytes_max,
            partition_memory,
            unmatched: self.unmatched,
            rules: self.rules.clone(),
            red_dimensions: self.red_dimensions.clone(),
            red_series_max: (max.of_tenant != usual.of_tenant).then_some(max.of_tenant),
            red_span_names_max: (max.of_service != usual.of_service).then_some(max.of_service),
            tenants: self.tenants.clone(),
        };
        toml::to_string(&text).expect("a policy is plain tables, numbers and text")
    }

    /// The text of revision 0: what is in force in a partition before anybody wrote a policy into it.
    #[must_use]
    pub fn revision_0() -> String {
        let config = Self {
            partition_memory: PartitionMemory::Bytes(PARTITION_MEMORY_OF_REVISION_0),
            ..Self::default()
        };
        config.policy_text(0, 1)
    }
}

impl Serialize for PartitionMemory {
    fn serialize<S: serde::Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => output.serialize_str("auto"),
            Self::Bytes(bytes) => units::bytes::serialize(bytes, output),
        }
    }
}

impl<'de> Deserialize<'de> for PartitionMemory {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let text = serde::de::value::StrDeserializer::<D::Error>::new(&text);
        units::bytes::deserialize(text).map(Self::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_policy_and_reads_back() {
        let config = Config::default();
        config.check().expect("the default");
        let written = toml::to_string(&config).expect("TOML");
        assert_eq!(
            toml::from_str::<Config>(&written).expect("read back"),
            config
        );
        let text = config.policy_text(1 << 30, 4);
        let policy = Policy::parse(1, &text, 4).expect("a policy");
        assert_eq!(
            policy.limits.partition_memory_bytes_max,
            (1 << 30) / 100 * 35 / 4
        );
    }

    #[test]
    fn contradictions_are_told() {
        let config = Config {
            late_window: Duration::from_secs(59),
            ..Config::default()
        };
        assert_eq!(
            config.check().expect_err("too short").to_string(),
            "late_window (59s) is less than twice decision_wait (30s)"
        );
        assert!(toml::from_str::<Config>("decision_wait = \"30s\"\nx = 1").is_err());
        let config: Config = toml::from_str("partition_memory = \"10MiB\"").expect("TOML");
        assert_eq!(config.partition_memory, PartitionMemory::Bytes(10 << 20));
    }
}
