//! Policies: ordered rules that say what becomes of a trace (docs/sampling.md). Pure: text in, verdicts out.
//!
//! A policy is folded into a trace as its spans arrive (bits and a few facts), so a decision costs as much as there are rules. Chance is the trace's
//! own randomness; rates run in shard time.

pub mod facts;
pub mod rate;
pub mod text;
pub mod threshold;
pub mod verdict;
pub mod when;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use telemetry::Tenant;

use crate::red::{DimensionError, Dimensions};
use text::{PolicyText, RuleText, Unmatched};
use when::When;

pub use facts::{Extras, Facts, Needs};
pub use rate::{Bucket, BucketKey, Rate};
pub use verdict::{Candidate, Verdict, decide};

/// Longest text of a policy, in bytes.
pub const TEXT_BYTES_MAX: usize = 256 << 10;
/// Most rules of a list.
pub const RULES_MAX: usize = 256;
/// Most blocks (`any { … }` and its like) of a list of rules: each is a bit of an open trace.
pub const BLOCKS_MAX: usize = 128;
/// Rule that a trace is said to fall under when no rule took it.
pub const UNMATCHED: &str = "unmatched";

/// A policy as it was written into the log, ready to decide.
#[derive(Debug)]
pub struct Policy {
    /// Grows with each change; 0 is what holds before the first one.
    pub revision: u64,
    pub text: Arc<str>,
    pub limits: Limits,
    /// What spans are told apart by in their series, from the next epoch on.
    pub dimensions: Arc<Dimensions>,
    rules: RuleList,
    tenants: BTreeMap<Tenant, RuleList>,
}

/// What bounds the assembly of traces. In the log like the rules, since it changes decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub decision_wait: Duration,
    pub root_quiet: Duration,
    pub late_window: Duration,
    pub trace_spans_max: u32,
    pub trace_bytes_max: u64,
    /// Bytes that the open traces of a partition may take, by the shard's own formula.
    pub partition_memory_bytes_max: u64,
}

/// Rules in order, for one tenant or for all others.
#[derive(Debug)]
pub struct RuleList {
    rules: Vec<Rule>,
    pub(crate) blocks: Vec<when::Block>,
    pub(crate) needs: Needs,
    unmatched: Verdictless,
}

/// What becomes of a trace that no rule took, with the name that is told.
#[derive(Debug, Clone)]
struct Verdictless {
    keep: bool,
    rule: Arc<str>,
}

/// A rule: whom it takes, and what happens to whom it takes.
#[derive(Debug)]
pub struct Rule {
    pub(crate) name: Arc<str>,
    when: Option<When>,
    sampler: Sampler,
    ceiling: Option<Rate>,
}

#[derive(Debug, Clone, PartialEq)]
enum Sampler {
    Keep,
    Drop,
    Probability { threshold: u64, mode: Mode },
    Rate(Rate),
}

/// How a probability treats what was sampled before it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// In the end the configured share of all is kept.
    Equalizing,
    /// The configured share of what arrives is kept.
    Proportional,
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    #[error("a policy of {bytes} bytes, over the limit of {TEXT_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("{0}")]
    Toml(String),
    #[error("{n} rules, over the limit of {RULES_MAX}")]
    TooManyRules { n: usize },
    #[error("{n} blocks in the rules, over the limit of {BLOCKS_MAX}")]
    TooManyBlocks { n: usize },
    #[error("{name:?} is no name of a rule: 1 to 64 of a-z 0-9 _ . -")]
    Name { name: String },
    #[error("two rules are named {name:?}")]
    Twice { name: String },
    #[error("rule {name:?} is never reached: {before:?} before it takes every trace")]
    Unreachable { name: String, before: String },
    #[error("rule {rule:?}: {told}")]
    Rule { rule: String, told: String },
    #[error("metrics.red: {0}")]
    Dimension(#[from] DimensionError),
    #[error("{0:?} is no tenant")]
    Tenant(String),
    #[error("late_window ({late_window:?}) is less than twice decision_wait ({decision_wait:?})")]
    LateWindow {
        late_window: Duration,
        decision_wait: Duration,
    },
    #[error("{key} must be at least {least}")]
    TooSmall {
        key: &'static str,
        least: &'static str,
    },
}

impl Policy {
    /// Reads a policy's text, for a shard that is one of `n_partitions`: goals are of the whole, a shard takes its part.
    ///
    /// # Errors
    /// When it is not what this release can decide by. Nothing is guessed.
    pub fn parse(revision: u64, text: &str, n_partitions: u32) -> Result<Self, PolicyError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(PolicyError::TooLong { bytes: text.len() });
        }
        let read: PolicyText =
            toml::from_str(text).map_err(|error| PolicyError::Toml(error.to_string()))?;
        let limits = read.limits()?;
        let mut tenants = BTreeMap::new();
        for (tenant, list) in &read.tenants {
            let rules = RuleList::compile(&list.rules, read.unmatched, n_partitions)?;
            tenants.insert(
                tenant
                    .parse()
                    .map_err(|_| PolicyError::Tenant(tenant.clone()))?,
                rules,
            );
        }
        let rules = RuleList::compile(&read.rules, read.unmatched, n_partitions)?;
        Ok(Self {
            revision,
            text: Arc::from(text),
            limits,
            dimensions: Arc::new(Dimensions::of(&read.red_dimensions, read.series_max())?),
            rules,
            tenants,
        })
    }

    /// The rules for a tenant.
    #[must_use]
    pub fn rules_of(&self, tenant: &Tenant) -> &RuleList {
        self.tenants.get(tenant).unwrap_or(&self.rules)
    }
}

impl RuleList {
    fn compile(
        texts: &[RuleText],
        unmatched: Unmatched,
        n_partitions: u32,
    ) -> Result<Self, PolicyError> {
        if texts.len() > RULES_MAX {
            return Err(PolicyError::TooManyRules { n: texts.len() });
        }
        let mut list = Self {
            rules: Vec::with_capacity(texts.len()),
            blocks: Vec::new(),
            needs: Needs::default(),
            unmatched: Verdictless {
                keep: unmatched == Unmatched::Keep,
                rule: Arc::from(UNMATCHED),
            },
        };
        for text in texts {
            list.add(text, n_partitions)?;
        }
        if list.blocks.len() > BLOCKS_MAX {
            return Err(PolicyError::TooManyBlocks {
                n: list.blocks.len(),
            });
        }
        list.needs.leaves = list
            .blocks
            .iter()
            .any(|block| block.whom == when::Whom::Leaf);
        Ok(list)
    }

    fn add(&mut self, text: &RuleText, n_partitions: u32) -> Result<(), PolicyError> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        if !(1..=64).contains(&text.name.len()) || !text.name.bytes().all(allowed) {
            return Err(PolicyError::Name {
                name: text.name.clone(),
            });
        }
        if self.rules.iter().any(|rule| *rule.name == *text.name) {
            return Err(PolicyError::Twice {
                name: text.name.clone(),
            });
        }
        if let Some(before) = self.rules.last().filter(|rule| rule.when.is_none()) {
            return Err(PolicyError::Unreachable {
                name: text.name.clone(),
                before: before.name.to_string(),
            });
        }
        let mistake = |told: String| PolicyError::Rule {
            rule: text.name.clone(),
            told,
        };
        let when = match &text.when {
            Some(when) => Some(
                when::parse(when, &mut self.blocks, &mut self.needs)
                    .map_err(|e| mistake(format!("when: {e}")))?,
            ),
            None => None,
        };
        let sampler = text.sampler.compile(n_partitions).map_err(mistake)?;
        let ceiling = match &text.ceiling {
            Some(ceiling) => Some(
                ceiling
                    .compile(n_partitions)
                    .map_err(|told| mistake(format!("ceiling: {told}")))?,
            ),
            None => None,
        };
        self.rules.push(Rule {
            name: Arc::from(text.name.as_str()),
            when,
            sampler,
            ceiling,
        });
        Ok(())
    }

    /// The first rule whose `when` holds, by its place.
    fn first_match(&self, facts: &Facts<'_>) -> Option<usize> {
        self.rules
            .iter()
            .position(|rule| rule.when.as_ref().is_none_or(|when| when.holds(facts)))
    }
}

#[cfg(test)]
mod tests;
