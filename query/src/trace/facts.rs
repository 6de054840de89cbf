//! What sampling says of a trace, as it is shown on the trace's root span: the rule, the adjusted count, `ot=th`.
//!
//! In: the state of a found trace. Out: tags for the Jaeger JSON, or the same trace with its root span continued on the wire.

use prost::Message;
use telemetry::wire::{SpanView, TracesView};
use trace_store::Sampling;

use super::found::State;
use super::{splice, tracestate, tree};

/// Attribute with the rule that kept or dropped the trace.
pub(crate) const RULE: &str = "tracewell.sampling.rule";
/// Attribute with 1/p: how many traces like this one there were for each that was kept.
pub(crate) const ADJUSTED_COUNT: &str = "tracewell.sampling.adjusted_count";
/// Attribute of traces that are not kept for good: `undecided` or `dropped`.
pub(crate) const STATE: &str = "tracewell.sampling.state";

/// Randomness and thresholds have 56 bits.
const SPACE: u64 = 1 << 56;

/// What is shown of sampling on the root span.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// `undecided`, `dropped`; none for a kept trace.
    pub(crate) state: Option<&'static str>,
    pub(crate) rule: Option<String>,
    pub(crate) adjusted_count: Option<f64>,
    pub(crate) threshold: Threshold,
}

/// What happens to the `th` of the root's tracestate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Threshold {
    /// Stays as it was sent.
    AsSent,
    Is(String),
    /// Is taken out: it contradicts the trace's own randomness.
    Erased,
}

impl Facts {
    pub(crate) fn of(state: &State) -> Self {
        match state {
            State::Undecided => Self::unkept("undecided", None),
            State::Dropped(rule) => Self::unkept("dropped", Some(rule.to_string())),
            State::Kept(sampling) => Self::kept(sampling),
        }
    }

    fn unkept(state: &'static str, rule: Option<String>) -> Self {
        Self {
            state: Some(state),
            rule,
            adjusted_count: None,
            threshold: Threshold::AsSent,
        }
    }

    fn kept(sampling: &Sampling) -> Self {
        let threshold = if sampling.p_unknown {
            Threshold::Erased
        } else if sampling.p_estimated {
            Threshold::AsSent
        } else {
            Threshold::Is(tracestate::threshold_text(sampling.threshold))
        };
        Self {
            state: None,
            rule: Some(sampling.rule.to_string()),
            adjusted_count: Some(adjusted_count(sampling)),
            threshold,
        }
    }

    /// The root's tracestate as it is shown.
    pub(crate) fn tracestate(&self, sent: &str) -> String {
        match &self.threshold {
            Threshold::AsSent => sent.to_owned(),
            Threshold::Is(th) => tracestate::with_threshold(sent, Some(th)),
            Threshold::Erased => tracestate::with_threshold(sent, None),
        }
    }

    /// The encoded trace with these facts on its root span. A trace without a span stays as it is.
    pub(crate) fn written_on(&self, view: &TracesView<'_>) -> Vec<u8> {
        let root = root_of(view).map(|index| view.span(index));
        root.and_then(|root| splice::add_to_span(view.bytes(), root.place(), &self.encoded(&root)))
            .unwrap_or_else(|| view.bytes().to_vec())
    }

    fn encoded(&self, root: &SpanView<'_>) -> Vec<u8> {
        let mut attributes = Vec::new();
        let mut put = |key: &str, value: Value| {
            attributes.push(KeyValue {
                key: key.to_owned(),
                value: Some(AnyValue { value: Some(value) }),
            })
        };
        if let Some(state) = self.state {
            put(STATE, Value::Text(state.to_owned()));
        }
        if let Some(rule) = &self.rule {
            put(RULE, Value::Text(rule.clone()));
        }
        if let Some(count) = self.adjusted_count {
            put(ADJUSTED_COUNT, Value::Number(count));
        }
        let trace_state =
            (self.threshold != Threshold::AsSent).then(|| self.tracestate(root.trace_state()));
        Addition {
            trace_state,
            attributes,
        }
        .encode_to_vec()
    }
}

/// The fields of an OTLP `Span` that are added to the root.
#[derive(Clone, PartialEq, prost::Message)]
struct Addition {
    /// Present even when empty: it takes the place of what was sent.
    #[prost(string, optional, tag = "3")]
    trace_state: Option<String>,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 4")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(double, tag = "4")]
    Number(f64),
}

/// w = 1/p, p = (2^56 − T)/2^56; 1 where p is not known.
pub(crate) fn adjusted_count(sampling: &Sampling) -> f64 {
    let kept_share = SPACE.saturating_sub(sampling.threshold);
    if sampling.p_unknown || kept_share == 0 {
        1.0
    } else {
        SPACE as f64 / kept_share as f64
    }
}

/// The spans of a trace as the tree sees them.
pub(crate) fn links(view: &TracesView<'_>) -> Vec<tree::Link> {
    let link = |span: SpanView<'_>| tree::Link {
        id: span.span_id(),
        parent: span.parent_span_id(),
        start_unix_ns: span.start_unix_ns(),
    };
    view.spans().map(link).collect()
}

fn root_of(view: &TracesView<'_>) -> Option<usize> {
    let links = links(view);
    tree::root(&links, &tree::places(&links))
}
