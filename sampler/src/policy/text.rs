//! A policy as text: TOML, as in the configuration, with every limit spelled out, but those of series (docs/formats/control-record.md).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use telemetry::units;

use super::rate::{Rate, Unit};
use super::{Limits, Mode, PolicyError, Sampler, threshold};
use crate::red::SeriesMax;

/// The whole text that travels in a control record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    #[serde(with = "units::duration")]
    pub decision_wait: Duration,
    #[serde(with = "units::duration")]
    pub root_quiet: Duration,
    #[serde(with = "units::duration")]
    pub late_window: Duration,
    pub trace_spans_max: u32,
    #[serde(with = "units::bytes")]
    pub trace_bytes_max: u64,
    #[serde(with = "units::bytes")]
    pub partition_memory: u64,
    #[serde(default)]
    pub unmatched: Unmatched,
    /// Attributes that become labels of series of spans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub red_dimensions: Vec<String>,
    /// Series of spans of a tenant in one epoch; none for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub red_series_max: Option<u32>,
    /// The same of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub red_span_names_max: Option<u32>,
    #[serde(default)]
    pub rules: Vec<RuleText>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, TenantText>,
}

/// Rules that a tenant has instead of the others'.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantText {
    pub rules: Vec<RuleText>,
}

/// What becomes of a trace that no rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    #[default]
    Keep,
    Drop,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    pub sampler: SamplerText,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<RateText>,
}

/// `type` and its parameters; which fit is checked when it is compiled, so that a mistake is told in our words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamplerText {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub parameters: BTreeMap<String, toml::Value>,
}

/// One of the three rates, and how much may come at once (default: 2 s of it).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbabilityText {
    percent: Option<f64>,
    one_in: Option<f64>,
    #[serde(default)]
    mode: ModeText,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeText {
    #[default]
    Equalizing,
    Proportional,
}

/// Samplers of the design that this release does not have.
const LATER: [&str; 5] = [
    "dynamic",
    "throughput",
    "budget",
    "rare",
    "latency_percentile",
];

impl PolicyText {
    pub(super) fn series_max(&self) -> SeriesMax {
        let usual = SeriesMax::default();
        SeriesMax {
            of_tenant: self.red_series_max.unwrap_or(usual.of_tenant),
            of_service: self.red_span_names_max.unwrap_or(usual.of_service),
        }
    }

    pub(super) fn limits(&self) -> Result<Limits, PolicyError> {
        let least = |key, holds: bool, least| {
            if holds {
                Ok(())
            } else {
                Err(PolicyError::TooSmall { key, least })
            }
        };
        let second = Duration::from_secs(1);
        least("decision_wait", self.decision_wait >= second, "1s")?;
        least("root_quiet", self.root_quiet >= second, "1s")?;
        least("trace_spans_max", self.trace_spans_max >= 1, "1")?;
        least("trace_bytes_max", self.trace_bytes_max >= 1, "1B")?;
        least("partition_memory", self.partition_memory >= 1, "1B")?;
        if self.late_window < self.decision_wait * 2 {
            let (late_window, decision_wait) = (self.late_window, self.decision_wait);
            return Err(PolicyError::LateWindow {
                late_window,
                decision_wait,
            });
        }
        Ok(Limits {
            decision_wait: self.decision_wait,
            root_quiet: self.root_quiet,
            late_window: self.late_window,
            trace_spans_max: self.trace_spans_max,
            trace_bytes_max: self.trace_bytes_max,
            partition_memory_bytes_max: self.partition_memory,
        })
    }
}

impl SamplerText {
    /// A sampler without parameters.
    #[must_use]
    pub fn plain(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            parameters: BTreeMap::new(),
        }
    }

    pub(super) fn compile(&self, n_partitions: u32) -> Result<Sampler, String> {
        match self.kind.as_str() {
            "keep" | "drop" => {
                if let Some(extra) = self.parameters.keys().next() {
                    return Err(format!(
                        "sampler {:?} has no parameter {extra:?}",
                        self.kind
                    ));
                }
                Ok(if self.kind == "keep" {
                    Sampler::Keep
                } else {
                    Sampler::Drop
                })
            }
            "probability" => self.read::<ProbabilityText>()?.compile(),
            "rate" => Ok(Sampler::Rate(
                self.read::<RateText>()?.compile(n_partitions)?,
            )),
            later if LATER.contains(&later) => {
                Err(format!("sampler {later:?} comes with a later release"))
            }
            other => Err(format!(
                "{other:?} is no sampler: keep, drop, probability or rate"
            )),
        }
    }

    fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, String> {
        let table: toml::Table = self.parameters.clone().into_iter().collect();
        table.try_into().map_err(|error: toml::de::Error| {
            format!("sampler {:?}: {}", self.kind, error.message())
        })
    }
}

impl ProbabilityText {
    fn compile(&self) -> Result<Sampler, String> {
        let p = match (self.percent, self.one_in) {
            (Some(percent), None) if (0.0..=100.0).contains(&percent) => percent / 100.0,
            (None, Some(one_in)) if one_in >= 1.0 => 1.0 / one_in,
            (Some(percent), None) => {
                return Err(format!("percent = {percent} is not within 0 to 100"));
            }
            (None, Some(one_in)) => return Err(format!("one_in = {one_in} is less than 1")),
            _ => return Err("a probability wants either percent or one_in".to_owned()),
        };
        let mode = match self.mode {
            ModeText::Equalizing => Mode::Equalizing,
            ModeText::Proportional => Mode::Proportional,
        };
        Ok(Sampler::Probability {
            threshold: threshold::of_probability(p, threshold::PRECISION),
            mode,
        })
    }
}

impl RateText {
    /// A rate of traces.
    #[must_use]
    pub fn traces(per_second: f64) -> Self {
        Self {
            traces_per_second: Some(per_second),
            ..Self::default()
        }
    }

    pub(super) fn compile(&self, n_partitions: u32) -> Result<Rate, String> {
        let given = [
            (Unit::Traces, self.traces_per_second),
            (Unit::Spans, self.spans_per_second),
            (Unit::Bytes, self.bytes_per_second),
        ];
        let mut given = given
            .into_iter()
            .filter_map(|(unit, per_second)| Some((unit, per_second?)));
        let (Some((unit, per_second)), None) = (given.next(), given.next()) else {
            return Err(
                "a rate wants one of traces_per_second, spans_per_second, bytes_per_second"
                    .to_owned(),
            );
        };
        if !(per_second > 0.0 && per_second.is_finite()) {
            return Err(format!(
                "a rate of {per_second} a second is not more than 0"
            ));
        }
        if !self.key.is_empty() {
            return Err("a rate with a key comes with a later release".to_owned());
        }
        let burst = self.burst.unwrap_or(2.0 * per_second);
        if !(burst > 0.0 && burst.is_finite()) {
            return Err(format!("a burst of {burst} is not more than 0"));
        }
        let part = f64::from(n_partitions.max(1));
        Ok(Rate {
            unit,
            per_second: per_second / part,
            burst: (burst / part).max(1.0),
        })
    }
}
