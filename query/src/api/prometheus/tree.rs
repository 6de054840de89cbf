//! The tree of a query as JSON, as Prometheus' editor reads it. In: a parsed query, no deeper than the parser lets it be. Out: nested objects.

use ::metrics::promql::ast::{
    Aggregate, At, Binary, Call, Expr, ExprKind, Grouping, Length, Matching, Selector, Shift,
    Subquery, Type,
};
use ::metrics::{MatchOp, Matcher};
use serde_json::{Value, json};

use super::number;

pub(super) fn of(expr: &Expr) -> Value {
    match &expr.kind {
        ExprKind::Number { value, .. } => {
            json!({ "type": "numberLiteral", "val": number::Float(*value).to_string() })
        }
        ExprKind::Text(text) => json!({ "type": "stringLiteral", "val": text }),
        ExprKind::Selector(selector) => with_time(
            json!({
                "type": "vectorSelector",
                "name": name(selector),
                "matchers": matchers(selector),
            }),
            &selector.time,
        ),
        ExprKind::Range { selector, range } => with_time(
            json!({
                "type": "matrixSelector",
                "name": name(selector),
                "matchers": matchers(selector),
                "range": ms(range),
            }),
            &selector.time,
        ),
        ExprKind::Subquery(subquery) => of_subquery(subquery),
        ExprKind::Paren(inner) => json!({ "type": "parenExpr", "expr": of(inner) }),
        ExprKind::Unary { is_minus, expr } => {
            json!({ "type": "unaryExpr", "op": if *is_minus { "-" } else { "+" }, "expr": of(expr) })
        }
        ExprKind::Binary(binary) => of_binary(binary),
        ExprKind::Aggregate(aggregate) => of_aggregate(aggregate),
        ExprKind::Call(call) => of_call(call),
    }
}

fn of_subquery(subquery: &Subquery) -> Value {
    let tree = json!({
        "type": "subquery",
        "expr": of(&subquery.expr),
        "range": ms(&subquery.range),
        "step": subquery.step.as_ref().map_or(0, ms),
    });
    with_time(tree, &subquery.time)
}

fn of_binary(binary: &Binary) -> Value {
    let both_vectors = binary.lhs.ty == Type::Vector && binary.rhs.ty == Type::Vector;
    json!({
        "type": "binaryExpr",
        "op": binary.op.text(),
        "lhs": of(&binary.lhs),
        "rhs": of(&binary.rhs),
        "bool": binary.is_bool,
        "matching": both_vectors.then(|| matching(&binary.matching, binary.op.is_set())),
    })
}

fn matching(matching: &Matching, is_set: bool) -> Value {
    let cardinality = match matching.grouping {
        _ if is_set => "many-to-many",
        Grouping::None => "one-to-one",
        Grouping::Left => "many-to-one",
        Grouping::Right => "one-to-many",
    };
    json!({
        "card": cardinality,
        "labels": matching.labels,
        "on": matching.is_on,
        "include": matching.include,
    })
}

fn of_aggregate(aggregate: &Aggregate) -> Value {
    json!({
        "type": "aggregation",
        "op": aggregate.op.text(),
        "expr": of(&aggregate.expr),
        "param": aggregate.param.as_ref().map(of),
        "grouping": aggregate.labels,
        "without": aggregate.is_without,
    })
}

fn of_call(call: &Call) -> Value {
    let signature = call.function;
    let n_variadic = match signature.is_variadic {
        true => -1,
        false => i64::try_from(signature.n_optional).unwrap_or(i64::MAX),
    };
    json!({
        "type": "call",
        "func": {
            "name": signature.name,
            "argTypes": signature.args.iter().copied().map(type_name).collect::<Vec<_>>(),
            "variadic": n_variadic,
            "returnType": type_name(signature.returns),
        },
        "args": call.args.iter().map(of).collect::<Vec<_>>(),
    })
}

/// The short names, which stand in answers.
fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Scalar => "scalar",
        Type::Text => "string",
        Type::Vector => "vector",
        Type::Matrix => "matrix",
    }
}

fn name(selector: &Selector) -> &str {
    selector.name.as_deref().unwrap_or_default()
}

fn matchers(selector: &Selector) -> Vec<Value> {
    let of_one = |matcher: &Matcher| {
        let op = match matcher.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex(_) => "=~",
            MatchOp::NotRegex(_) => "!~",
        };
        json!({ "name": matcher.name, "type": op, "value": matcher.value })
    };
    selector.matchers.iter().map(of_one).collect()
}

/// Adds `offset` and `@` to a node that has them.
fn with_time(mut tree: Value, time: &Shift) -> Value {
    let (at, edge) = match time.at {
        None => (None, None),
        Some(At::Start) => (None, Some("start")),
        Some(At::End) => (None, Some("end")),
        Some(At::UnixMs(ms)) => (Some(ms), None),
    };
    if let Some(fields) = tree.as_object_mut() {
        let offset = time.offset.as_ref().map_or(0, ms);
        fields.insert("offset".to_owned(), json!(offset));
        fields.insert("timestamp".to_owned(), json!(at));
        fields.insert("startOrEnd".to_owned(), json!(edge));
    }
    tree
}

/// A length of time as it is written. One that only a range query tells is 0, as in Prometheus.
fn ms(length: &Length) -> i64 {
    match length {
        Length::Ms(ms) => *ms,
        Length::Paren(inner) => ms(inner),
        Length::Negative(inner) => ms(inner).saturating_neg(),
        Length::Step | Length::Range | Length::Min(_) | Length::Max(_) | Length::Binary(..) => 0,
    }
}

#[cfg(test)]
mod tests {
    use ::metrics::promql::{Features, parse};

    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &Value) {
        let expr = parse(query, Features::default()).expect(query);
        assert_eq!(of(&expr), *expected, "{query}");
    }

    fn selector(name: &str) -> Value {
        json!({
            "type": "vectorSelector", "name": name, "offset": 0, "timestamp": null, "startOrEnd": null,
            "matchers": [{ "name": "__name__", "type": "=", "value": name }],
        })
    }

    #[test]
    fn trees_are_those_of_prometheus() {
        check("1e3", &json!({ "type": "numberLiteral", "val": "1000" }));
        check(
            "-(a)",
            &json!({ "type": "unaryExpr", "op": "-", "expr": { "type": "parenExpr", "expr": selector("a") } }),
        );
    }

    #[test]
    fn operators_tell_how_they_match() {
        check(
            "sum by (job) (a) / on (job) group_left (x) b",
            &json!({
                "type": "binaryExpr", "op": "/", "bool": false, "rhs": selector("b"),
                "matching": { "card": "many-to-one", "labels": ["job"], "on": true, "include": ["x"] },
                "lhs": {
                    "type": "aggregation", "op": "sum", "expr": selector("a"), "param": null, "grouping": ["job"], "without": false,
                },
            }),
        );
        check(
            "1 < bool 2",
            &json!({
                "type": "binaryExpr", "op": "<", "bool": true, "matching": null,
                "lhs": { "type": "numberLiteral", "val": "1" }, "rhs": { "type": "numberLiteral", "val": "2" },
            }),
        );
        check(
            "a and b",
            &json!({
                "type": "binaryExpr", "op": "and", "bool": false, "lhs": selector("a"), "rhs": selector("b"),
                "matching": { "card": "many-to-many", "labels": [], "on": false, "include": [] },
            }),
        );
    }

    #[test]
    fn times_are_in_ms() {
        let range = json!({
            "type": "matrixSelector", "name": "a", "range": 300_000, "offset": -1_000, "timestamp": 2_500, "startOrEnd": null,
            "matchers": [
                { "name": "__name__", "type": "=", "value": "a" }, { "name": "b", "type": "!~", "value": "c" },
            ],
        });
        check(
            "rate(a{b!~\"c\"}[5m] @ 2.5 offset -1s)",
            &json!({
                "type": "call", "args": [range],
                "func": { "name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector" },
            }),
        );
        check(
            "a[1h:30s] @ end()",
            &json!({
                "type": "subquery", "expr": selector("a"), "range": 3_600_000, "step": 30_000, "offset": 0, "timestamp": null, "startOrEnd": "end",
            }),
        );
    }
}
