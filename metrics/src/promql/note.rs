//! Annotations: what an answer says beside its values, in the words of Prometheus (util/annotations).

use std::cell::{Cell, RefCell};

use super::ast::Op;
use super::format::quoted;
use super::parse::place;

/// Different sentences that an answer has at most; more are left out and their number is told.
const NOTES_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Note {
    InvalidQuantile(f64),
    InvalidRatio { got: f64, used: f64 },
    BadBucketLabel { le: String, metric: String },
    MixedFloatsHistograms(String),
    MixedFloatsHistogramsIn(&'static str),
    MixedClassicNative(String),
    NotCounter(String),
    NotGauge(String),
    MixedExponentialCustom(String),
    IncompatibleLayout(Op),
    CounterResetCollision(Operation),
    PossibleNonCounter(String),
    ForcedMonotonicity(String),
    IncompatibleTypes(&'static str, Op, &'static str),
    HistogramIgnoredIn(&'static str),
    HistogramIgnoredInMixedRange(String),
    QuantileNan(String),
    QuantileNanSkew(String),
    FractionNans(String),
    ReconciledBuckets(Operation),
}

/// What was done with histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn text(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

impl Note {
    fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::PossibleNonCounter(_)
                | Self::ForcedMonotonicity(_)
                | Self::IncompatibleTypes(..)
                | Self::HistogramIgnoredIn(_)
                | Self::HistogramIgnoredInMixedRange(_)
                | Self::QuantileNan(_)
                | Self::QuantileNanSkew(_)
                | Self::FractionNans(_)
                | Self::ReconciledBuckets(_)
        )
    }

    fn sentence(&self) -> String {
        let kind = if self.is_warning() { "warning" } else { "info" };
        format!("PromQL {kind}: {}", self.words())
    }

    fn words(&self) -> String {
        match self {
            Self::InvalidQuantile(q) => {
                format!(
                    "quantile value should be between 0 and 1, got {}",
                    go_float(*q)
                )
            }
            Self::InvalidRatio { got, used } => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                go_float(*got),
                go_float(*used)
            ),
            Self::BadBucketLabel { le, metric } => with_metric(
                &format!(
                    "bucket label \"le\" is missing or has a malformed value of {}",
                    quoted(le)
                ),
                metric,
            ),
            Self::MixedFloatsHistograms(metric) => format!(
                "encountered a mix of histograms and floats for metric name {}",
                quoted(metric)
            ),
            Self::MixedFloatsHistogramsIn(what) => {
                format!("encountered a mix of histograms and floats for {what}")
            }
            Self::MixedClassicNative(metric) => with_metric(
                "vector contains a mix of classic and native histograms",
                metric,
            ),
            Self::NotCounter(metric) => format!(
                "this native histogram metric is not a counter: {}",
                quoted(metric)
            ),
            Self::NotGauge(metric) => format!(
                "this native histogram metric is not a gauge: {}",
                quoted(metric)
            ),
            Self::MixedExponentialCustom(metric) => with_metric(
                "vector contains a mix of histograms with exponential and custom buckets schemas",
                metric,
            ),
            Self::IncompatibleLayout(op) => format!(
                "incompatible bucket layout encountered for binary operator {}",
                op.text()
            ),
            Self::CounterResetCollision(operation) => format!(
                "conflicting counter resets during histogram {}",
                operation.text()
            ),
            Self::PossibleNonCounter(metric) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {}",
                quoted(metric)
            ),
            Self::ForcedMonotonicity(metric) => with_metric(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                metric,
            ),
            Self::IncompatibleTypes(lhs, op, rhs) => format!(
                "incompatible sample types encountered for binary operator {}: {lhs} {} {rhs}",
                quoted(op.text()),
                op.text()
            ),
            Self::HistogramIgnoredIn(what) => format!("ignored histogram in {what}"),
            Self::HistogramIgnoredInMixedRange(metric) => with_metric(
                "ignored histograms in a range containing both floats and histograms",
                metric,
            ),
            Self::QuantileNan(metric) => with_metric(
                "input to histogram_quantile has NaN observations, result is NaN",
                metric,
            ),
            Self::QuantileNanSkew(metric) => with_metric(
                "input to histogram_quantile has NaN observations, result is skewed higher",
                metric,
            ),
            Self::FractionNans(metric) => with_metric(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions",
                metric,
            ),
            Self::ReconciledBuckets(operation) => format!(
                "mismatched custom buckets were reconciled during {}",
                operation.text()
            ),
        }
    }
}

fn with_metric(sentence: &str, metric: &str) -> String {
    if metric.is_empty() {
        return sentence.to_owned();
    }
    format!("{sentence} for metric name {}", quoted(metric))
}

/// A float as Go's `%g` writes it.
fn go_float(value: f64) -> String {
    super::number::shortest(value)
}

/// What a query has to say, each once, and where.
#[derive(Default)]
pub(super) struct Notes {
    notes: RefCell<Vec<(Note, usize)>>,
    n_left_out: Cell<u64>,
    /// The byte of the query at which stands what is worked on.
    place: Cell<usize>,
}

impl Notes {
    /// What is said from here on is said of what begins at this byte of the query.
    pub(super) fn of(&self, place: usize) {
        self.place.set(place);
    }

    pub(super) fn add(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        let place = self.place.get();
        let is_known = |(known, at): &(Note, usize)| *at == place && is_same(known, &note);
        if notes.iter().any(is_known) {
            return;
        }
        if notes.len() < NOTES_MAX {
            notes.push((note, place));
        } else {
            self.n_left_out.set(self.n_left_out.get() + 1);
        }
    }

    /// Warnings, and what is only worth knowing, sorted; each with its line and column in the query.
    pub(super) fn sentences(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let notes = self.notes.borrow();
        let of = |warnings: bool| {
            let wanted = notes
                .iter()
                .filter(|(note, _)| note.is_warning() == warnings);
            let sentences = wanted.map(|(note, at)| {
                let (line, column) = place(query, *at);
                format!("{} ({line}:{column})", note.sentence())
            });
            let mut sentences: Vec<String> = sentences.collect();
            sentences.sort();
            sentences
        };
        let (mut warnings, infos) = (of(true), of(false));
        if self.n_left_out.get() > 0 {
            warnings.push(format!(
                "more annotations than {NOTES_MAX}: others are left out"
            ));
        }
        (warnings, infos)
    }
}

/// NaN is the same NaN here.
fn is_same(a: &Note, b: &Note) -> bool {
    let is_nan = |note: &Note| matches!(note, Note::InvalidQuantile(q) if q.is_nan());
    a == b || is_nan(a) && is_nan(b)
}
