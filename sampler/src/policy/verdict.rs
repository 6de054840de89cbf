//! What becomes of the traces that settled in one second.

use std::collections::BTreeMap;
use std::sync::Arc;

use telemetry::{ShardTime, Tenant};
use trace_store::Sampling;

use super::rate::Wish;
use super::threshold::{self, UNIT};
use super::{Bucket, BucketKey, Facts, Mode, Policy, Rate, RuleList, Sampler, rate::Unit};

/// A settled trace, as the rules see it.
#[derive(Debug)]
pub struct Candidate<'a> {
    pub policy: &'a Policy,
    pub tenant: &'a Tenant,
    pub facts: Facts<'a>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Keep(Sampling),
    /// By the rule of this name.
    Drop(Arc<str>),
}

/// A trace on its way through a rule.
struct Course<'a> {
    rules: &'a RuleList,
    rule: Option<usize>,
    randomness: u64,
    /// T of the trace as it came; 0 where its own threshold contradicts its randomness.
    threshold_in: u64,
    p_unknown: bool,
    /// T so far; the trace is out when R is below it.
    threshold: u64,
}

/// Decides the traces that settled in the second that ends at `now`, all at once: a rate sees all of them.
#[must_use]
pub fn decide(
    candidates: &[Candidate<'_>],
    buckets: &mut BTreeMap<BucketKey, Bucket>,
    now: ShardTime,
) -> Vec<Verdict> {
    let mut courses: Vec<Course<'_>> = candidates.iter().map(Course::begin).collect();
    for course in &mut courses {
        course.sample();
    }
    for ceiling in [false, true] {
        pass(candidates, &mut courses, buckets, now, ceiling);
    }
    courses.iter().map(Course::verdict).collect()
}

/// Sends those that a rate concerns through its bucket.
fn pass(
    candidates: &[Candidate<'_>],
    courses: &mut [Course<'_>],
    buckets: &mut BTreeMap<BucketKey, Bucket>,
    now: ShardTime,
    ceiling: bool,
) {
    let mut batches: BTreeMap<BucketKey, (Rate, Vec<usize>)> = BTreeMap::new();
    for (i, (candidate, course)) in candidates.iter().zip(courses.iter()).enumerate() {
        if let Some((rule, rate)) = course.rate(ceiling).filter(|_| course.is_in()) {
            let revision = candidate.policy.revision;
            let key = BucketKey {
                revision,
                tenant: candidate.tenant.clone(),
                rule,
                ceiling,
            };
            batches.entry(key).or_insert((*rate, Vec::new())).1.push(i);
        }
    }
    for (key, (rate, batch)) in batches {
        let wish = |i: &usize| Some(courses.get(*i)?.wish(&rate, &candidates.get(*i)?.facts));
        let wishes: Vec<Wish> = batch.iter().filter_map(wish).collect();
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(&rate, now));
        let Some(cut) = bucket.cut(&rate, now, &wishes) else {
            continue;
        };
        for i in batch {
            if let Some(course) = courses.get_mut(i) {
                course.threshold = threshold::above(cut, course.threshold);
            }
        }
    }
}

impl<'a> Course<'a> {
    fn begin(candidate: &Candidate<'a>) -> Self {
        let rules = candidate.policy.rules_of(candidate.tenant);
        let Facts {
            randomness,
            threshold_in,
            ..
        } = candidate.facts;
        let p_unknown = randomness < threshold_in;
        let threshold_in = if p_unknown { 0 } else { threshold_in };
        Self {
            rules,
            rule: rules.first_match(&candidate.facts),
            randomness,
            threshold_in,
            p_unknown,
            threshold: threshold_in,
        }
    }

    fn is_in(&self) -> bool {
        self.randomness >= self.threshold
    }

    fn rule(&self) -> Option<&'a super::Rule> {
        self.rules.rules.get(self.rule?)
    }

    /// What needs no look at other traces.
    fn sample(&mut self) {
        let keep = self.rules.unmatched.keep;
        self.threshold = match self.rule().map(|rule| &rule.sampler) {
            None if keep => self.threshold,
            None | Some(Sampler::Drop) => UNIT,
            Some(Sampler::Keep | Sampler::Rate(_)) => self.threshold,
            Some(Sampler::Probability {
                threshold,
                mode: Mode::Equalizing,
            }) => self.threshold.max(*threshold),
            Some(Sampler::Probability {
                threshold,
                mode: Mode::Proportional,
            }) => threshold::proportional(self.threshold, *threshold),
        };
    }

    fn rate(&self, ceiling: bool) -> Option<(u32, &'a Rate)> {
        let rule = self.rule()?;
        let rate = match &rule.sampler {
            _ if ceiling => rule.ceiling.as_ref()?,
            Sampler::Rate(rate) => rate,
            _ => return None,
        };
        Some((u32::try_from(self.rule?).ok()?, rate))
    }

    fn wish(&self, rate: &Rate, facts: &Facts<'_>) -> Wish {
        let cost = match rate.unit {
            Unit::Traces => 1.0,
            Unit::Spans => f64::from(facts.span_count),
            Unit::Bytes => facts.bytes as f64,
        };
        Wish {
            randomness: self.randomness,
            threshold: self.threshold,
            cost,
        }
    }

    fn verdict(&self) -> Verdict {
        let rule = self
            .rule()
            .map_or(&self.rules.unmatched.rule, |rule| &rule.name)
            .clone();
        if !self.is_in() {
            return Verdict::Drop(rule);
        }
        Verdict::Keep(Sampling {
            rule,
            threshold: self.threshold,
            threshold_in: self.threshold_in,
            p_unknown: self.p_unknown,
            p_estimated: false,
        })
    }
}

impl Policy {
    /// The rate behind a bucket, if this policy still has it.
    #[must_use]
    pub fn rate_of(&self, key: &BucketKey) -> Option<&Rate> {
        let rule = self.rules_of(&key.tenant).rules.get(key.rule as usize)?;
        match &rule.sampler {
            _ if key.ceiling => rule.ceiling.as_ref(),
            Sampler::Rate(rate) => Some(rate),
            _ => None,
        }
    }
}
