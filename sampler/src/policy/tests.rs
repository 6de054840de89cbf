use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{
    ResourceSpans, ScopeSpans, Span, Status, TracesData, span::Event,
};
use prost::Message;
use telemetry::wire::{TraceWalker, WalkLimits};
use telemetry::{ShardTime, TraceId};

use super::threshold::UNIT;
use super::*;
use crate::shard::Settled;

/// A checkout that calls pay, which fails: root 3 s, child 1 s.
fn trace(trace_state: &str) -> Vec<u8> {
    let span = |id: u8, parent: Option<u8>, name: &str, ms: u64, is_error: bool| Span {
        trace_id: vec![1; 16],
        span_id: vec![id; 8],
        parent_span_id: parent.map_or(Vec::new(), |parent| vec![parent; 8]),
        name: name.to_owned(),
        trace_state: trace_state.to_owned(),
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 1_000 + ms * 1_000_000,
        status: is_error.then(|| Status {
            code: 2,
            message: String::new(),
        }),
        events: if is_error {
            vec![Event {
                name: "exception".to_owned(),
                ..Default::default()
            }]
        } else {
            Vec::new()
        },
        ..Default::default()
    };
    let of = |service: &str, span: Span| {
        let name = AnyValue {
            value: Some(Value::StringValue(service.to_owned())),
        };
        let attributes = vec![KeyValue {
            key: "service.name".to_owned(),
            value: Some(name),
            ..Default::default()
        }];
        ResourceSpans {
            resource: Some(Resource {
                attributes,
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    let root = of("checkout", span(2, None, "POST /buy", 3_000, false));
    let child = of("pay", span(3, Some(2), "charge", 1_000, true));
    TracesData {
        resource_spans: vec![root, child],
    }
    .encode_to_vec()
}

fn policy(rules: &str) -> Result<Policy, PolicyError> {
    let text = format!(
        "decision_wait = \"30s\"\nroot_quiet = \"2s\"\nlate_window = \"5m\"\ntrace_spans_max = 20000\ntrace_bytes_max = \"32MiB\"\n\
         partition_memory = \"64MiB\"\nunmatched = \"drop\"\n{rules}"
    );
    Policy::parse(1, &text, 1)
}

/// The verdict on the trace above, as rule and `th`.
fn verdict(policy: &Policy, trace_state: &str, randomness: u64) -> (String, Option<String>) {
    let tenant = telemetry::Tenant::default_tenant();
    let bytes = trace(trace_state);
    let mut walker = TraceWalker::new();
    let view = walker
        .walk(&bytes, &WalkLimits::trusted())
        .expect("valid OTLP");
    let (mut bits, mut extras) = ([0; 2], None);
    for span in view.spans() {
        policy.rules_of(&tenant).fold(
            &mut bits,
            &mut extras,
            &span,
            span.parent_span_id().is_none(),
        );
    }
    let extras = extras.as_deref();
    let id = TraceId(u128::from(randomness).to_be_bytes());
    let facts = Facts {
        bits,
        span_count: 2,
        error_count: 1,
        bytes: 500,
        duration_ns: 3_000_000_000,
        has_root: true,
        settled: Settled::RootQuiet,
        randomness: facts::randomness(id, extras),
        threshold_in: facts::threshold_in(extras),
        extras,
    };
    let decided = decide(
        &[Candidate {
            policy,
            tenant: &tenant,
            facts,
        }],
        &mut Default::default(),
        ShardTime::from_s(1),
    );
    match decided.into_iter().next().expect("one verdict") {
        Verdict::Keep(sampling) => (
            sampling.rule.to_string(),
            Some(threshold::written(sampling.threshold)),
        ),
        Verdict::Drop(rule) => (rule.to_string(), None),
    }
}

#[track_caller]
fn check(when: &str, holds: bool) {
    let rules = format!(
        "rules = [{{ name = \"r\", when = '''{when}''', sampler = {{ type = \"keep\" }} }}]"
    );
    let policy = policy(&rules).unwrap_or_else(|error| panic!("{when}: {error}"));
    assert_eq!(verdict(&policy, "", 7).1.is_some(), holds, "{when}");
}

#[test]
fn blocks_ask_spans_and_comparisons_ask_the_trace() {
    for when in [
        "any { status = error }",
        "any { name = \"charge\" && status = error }",
        "any { name = \"POST /buy\" } && any { status = error }",
        "all { duration >= 1s }",
        "none { name = \"x\" }",
        "root { name =~ \"POST .*\" && resource.service.name = \"checkout\" }",
        "leaf { name = \"charge\" }",
        "!leaf { name = \"POST /buy\" }",
        "trace.duration > 2s && trace.duration <= 3s",
        "trace.root_duration = 3s",
        "trace.span_count = 2 && trace.error_count >= 1 && trace.exception_count = 1",
        "trace.service_count = 2 && trace.services has \"pay\"",
        "trace.services has_all [\"pay\", \"checkout\"] && trace.services has_any [\"x\", \"pay\"]",
        "trace.bytes < 1000 && trace.has_root && trace.has_root = true",
        "trace.root_service = \"checkout\" && trace.root_name !~ \"GET.*\"",
        "trace.settled_by = \"root_quiet\" && trace.p_in = 1",
        "(trace.span_count > 5 || any { status = error }) && !(trace.span_count > 5)",
    ] {
        check(when, true);
    }
    for when in [
        "any { name = \"POST /buy\" && status = error }",
        "all { status = error }",
        "none { status = error }",
        "root { status = error }",
        "leaf { name = \"POST /buy\" }",
        "trace.services has_all [\"pay\", \"x\"]",
        "trace.has_root = false",
        "trace.root_name = \"charge\"",
    ] {
        check(when, false);
    }
}

#[test]
fn the_first_rule_that_holds_takes_the_trace() {
    let rules = policy(
        "rules = [\n{ name = \"fast\", when = 'trace.duration < 1s', sampler = { type = \"keep\" } },\n\
         { name = \"errors\", when = 'any { status = error }', sampler = { type = \"drop\" } },\n\
         { name = \"rest\", sampler = { type = \"keep\" } }]\n[tenants.other]\nrules = []",
    )
    .expect("a policy");
    assert_eq!(verdict(&rules, "", 1), ("errors".to_owned(), None));
    assert_eq!(
        verdict(&policy("").expect("a policy"), "", 1),
        (UNMATCHED.to_owned(), None)
    );
    let other = rules.rules_of(&"other".parse().expect("a tenant"));
    assert!(other.rules.is_empty());
}

#[test]
fn a_probability_is_exact_and_keeps_what_was_sampled_before() {
    let of = |parameters: &str| {
        policy(&format!(
            "rules = [{{ name = \"p\", sampler = {{ type = \"probability\", {parameters} }} }}]"
        ))
        .expect("a policy")
    };
    let kept = |th: &str| ("p".to_owned(), Some(th.to_owned()));
    let dropped = ("p".to_owned(), None);
    let half = of("percent = 50");
    assert_eq!(verdict(&half, "", UNIT / 2), kept("8"));
    assert_eq!(verdict(&half, "", UNIT / 2 - 1), dropped);
    assert_eq!(verdict(&of("one_in = 3"), "", UNIT - 1), kept("aaab"));
    assert_eq!(verdict(&of("percent = 0"), "", UNIT - 1), dropped);
    // sampled one in four before: half of all is less than that
    assert_eq!(verdict(&half, "ot=th:c", UNIT - 1), kept("c"));
    assert_eq!(
        verdict(
            &of("percent = 50, mode = \"proportional\""),
            "ot=th:c",
            UNIT - 1
        ),
        kept("e")
    );
    assert_eq!(verdict(&half, "ot=rv:80000000000000", 0), kept("8"));
    // R < T: the sender's threshold is not to be believed
    assert_eq!(verdict(&half, "ot=th:f;rv:90000000000000", 0), kept("8"));
}

#[test]
fn a_rate_keeps_the_highest_randomness_and_says_with_what_probability() {
    let policy = policy("rules = [{ name = \"r\", sampler = { type = \"keep\" }, ceiling = { traces_per_second = 2, burst = 3 } }]").expect("a policy");
    let tenant = telemetry::Tenant::default_tenant();
    let facts = |randomness: u64| Facts {
        bits: [0; 2],
        span_count: 1,
        error_count: 0,
        bytes: 1,
        duration_ns: 0,
        has_root: true,
        settled: Settled::Expired,
        randomness,
        threshold_in: 0,
        extras: None,
    };
    let order = [9, 3, 7, 5, 1];
    let candidates: Vec<Candidate<'_>> = order
        .iter()
        .map(|r| Candidate {
            policy: &policy,
            tenant: &tenant,
            facts: facts(r << 50),
        })
        .collect();
    let mut buckets = Default::default();
    let verdicts = decide(&candidates, &mut buckets, ShardTime::from_s(1));
    for (r, verdict) in order.iter().zip(verdicts) {
        match verdict {
            Verdict::Keep(sampling) => assert!(
                *r >= 5 && sampling.threshold == (3 << 50) + 1,
                "{r}: {sampling:?}"
            ),
            Verdict::Drop(rule) => assert!(*r < 5 && *rule == *"r", "{r}"),
        }
    }
    let again = decide(&candidates, &mut buckets, ShardTime::from_s(2));
    assert_eq!(
        again
            .iter()
            .filter(|verdict| matches!(verdict, Verdict::Keep(_)))
            .count(),
        2
    );
}

#[test]
fn mistakes_in_a_policy_are_told_by_name() {
    let rule = |rest: &str| format!("rules = [{{ name = \"a\", {rest} }}]");
    let keep = "sampler = { type = \"keep\" }";
    for (rules, told) in [
        (
            rule("sampler = { type = \"budget\", bytes_per_day = \"20GB\" }"),
            "rule \"a\": sampler \"budget\" comes with a later release",
        ),
        (
            rule("sampler = { type = \"rare\" }"),
            "rule \"a\": sampler \"rare\" comes with a later release",
        ),
        (
            rule("sampler = { type = \"x\" }"),
            "rule \"a\": \"x\" is no sampler: keep, drop, probability or rate",
        ),
        (
            rule("sampler = { type = \"keep\", percent = 5 }"),
            "rule \"a\": sampler \"keep\" has no parameter \"percent\"",
        ),
        (
            rule("sampler = { type = \"probability\" }"),
            "rule \"a\": a probability wants either percent or one_in",
        ),
        (
            rule("sampler = { type = \"probability\", percent = 101 }"),
            "rule \"a\": percent = 101 is not within 0 to 100",
        ),
        (
            rule("sampler = { type = \"rate\" }"),
            "rule \"a\": a rate wants one of traces_per_second, spans_per_second, bytes_per_second",
        ),
        (
            rule("sampler = { type = \"rate\", traces_per_second = -1 }"),
            "rule \"a\": a rate of -1 a second is not more than 0",
        ),
        (
            rule(&format!("{keep}, when = 'trace.depth > 1'")),
            "rule \"a\": when: line 1, col 1: trace.depth comes with a later release",
        ),
        (
            rule(&format!("{keep}, when = 'name = \"x\"'")),
            "rule \"a\": when: line 1, col 1: \"name\" is neither a block (any, all, none, root, leaf) nor a field of the trace (trace.…)",
        ),
        (
            rule(&format!("{keep}, when = 'any {{ name }}'")),
            "rule \"a\": when: line 1, col 12: expected true or false, found text",
        ),
        (
            format!("rules = [{{ name = \"A\", {keep} }}]"),
            "\"A\" is no name of a rule: 1 to 64 of a-z 0-9 _ . -",
        ),
        (
            format!("rules = [{{ name = \"a\", {keep} }}, {{ name = \"b\", {keep} }}]"),
            "rule \"b\" is never reached: \"a\" before it takes every trace",
        ),
        (
            format!("[tenants.\"a/b\"]\nrules = [{{ name = \"a\", {keep} }}]"),
            "\"a/b\" is no tenant",
        ),
    ] {
        assert_eq!(
            policy(&rules).expect_err(&rules).to_string(),
            told,
            "{rules}"
        );
    }
    let many = |n: usize| {
        let rules = (0..n)
            .map(|i| format!("{{ name = \"r{i}\", when = 'any {{ status = error }}', {keep} }}"));
        format!("rules = [{}]", rules.collect::<Vec<_>>().join(","))
    };
    assert_eq!(
        policy(&many(257)).expect_err("too many"),
        PolicyError::TooManyRules { n: 257 }
    );
    assert_eq!(
        policy(&many(129)).expect_err("too many"),
        PolicyError::TooManyBlocks { n: 129 }
    );
    assert!(policy(&many(128)).is_ok());
    let deep = rule(&format!(
        "{keep}, when = '{}trace.has_root{}'",
        "(".repeat(5_000),
        ")".repeat(5_000)
    ));
    assert!(
        policy(&deep)
            .expect_err("too deep")
            .to_string()
            .contains("nested deeper than 64")
    );
}
