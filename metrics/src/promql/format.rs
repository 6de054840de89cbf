//! A tree as text: on one line, and laid out as Prometheus does (lines of at most 100 characters where that can be). In: a tree. Out: text that parses
//! to the same tree.

mod pretty;

use super::ast::{
    Aggregate, At, Binary, Expr, ExprKind, Grouping, Length, Matching, Selector, Shift, Subquery,
};
use super::time;
use crate::MatchOp;
use crate::labels::NAME;

pub(super) use pretty::pretty;

/// The tree on one line.
pub(super) fn one_line(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Number { value, is_duration } => number(*value, *is_duration),
        ExprKind::Text(text) => quoted(text),
        ExprKind::Selector(selector) => {
            format!("{}{}", series(selector), shift(&selector.time))
        }
        ExprKind::Range { selector, range } => format!(
            "{}[{}]{}",
            series(selector),
            length(range),
            shift(&selector.time)
        ),
        ExprKind::Subquery(subquery) => {
            format!("{}{}", one_line(&subquery.expr), subquery_suffix(subquery))
        }
        ExprKind::Paren(inner) => format!("({})", one_line(inner)),
        ExprKind::Unary { is_minus, expr } => {
            format!("{}{}", if *is_minus { '-' } else { '+' }, one_line(expr))
        }
        ExprKind::Binary(binary) => format!(
            "{} {} {}",
            one_line(&binary.lhs),
            operator(binary),
            one_line(&binary.rhs)
        ),
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate.param.as_ref();
            let param = param.map_or(String::new(), |param| format!("{}, ", one_line(param)));
            format!(
                "{}({param}{})",
                aggregation(aggregate),
                one_line(&aggregate.expr)
            )
        }
        ExprKind::Call(call) => {
            let args: Vec<String> = call.args.iter().map(one_line).collect();
            format!("{}({})", call.function.name, args.join(", "))
        }
    }
}

/// A float as PromQL reads it.
fn number(value: f64, is_duration: bool) -> String {
    if is_duration && let Some(ms) = time::ms_of_seconds(value) {
        return time::duration_text(ms);
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    format!("{value}")
}

/// A string as Go quotes it.
pub(super) fn quoted(text: &str) -> String {
    use std::fmt::Write as _;

    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if c.is_ascii_control() => {
                // writing to a string cannot fail
                let _written = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn series(selector: &Selector) -> String {
    let mut matchers: Vec<String> = selector
        .matchers
        .iter()
        .filter(|matcher| matcher.name != NAME || selector.name.is_none())
        .map(|matcher| {
            let op = match &matcher.op {
                MatchOp::Equal => "=",
                MatchOp::NotEqual => "!=",
                MatchOp::Regex(_) => "=~",
                MatchOp::NotRegex(_) => "!~",
            };
            format!("{}{op}{}", label(&matcher.name), quoted(&matcher.value))
        })
        .collect();
    matchers.sort();
    let name = selector.name.as_deref().unwrap_or("");
    if matchers.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", matchers.join(","))
}

/// A label's name, in quotes if it needs them.
fn label(name: &str) -> String {
    let mut chars = name.chars();
    let is_plain = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_number = name.eq_ignore_ascii_case("inf") || name.eq_ignore_ascii_case("nan");
    if is_plain && !is_number {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn labels(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| label(name)).collect();
    names.join(", ")
}

fn shift(shift: &Shift) -> String {
    let at = match shift.at {
        None => String::new(),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
        Some(At::UnixMs(ms)) => format!(" @ {:.3}", time::seconds(ms)),
    };
    match &shift.offset {
        None => at,
        Some(offset) => format!("{at} offset {}", length(offset)),
    }
}

fn length(of: &Length) -> String {
    match of {
        Length::Ms(ms) => time::duration_text(*ms),
        Length::Step => "step()".to_owned(),
        Length::Range => "range()".to_owned(),
        Length::Negative(inner) => format!("-{}", length(inner)),
        Length::Paren(inner) => format!("({})", length(inner)),
        Length::Min(pair) => format!("min({}, {})", length(&pair.0), length(&pair.1)),
        Length::Max(pair) => format!("max({}, {})", length(&pair.0), length(&pair.1)),
        Length::Binary(op, pair) => {
            format!("{} {} {}", length(&pair.0), op.text(), length(&pair.1))
        }
    }
}

fn subquery_suffix(subquery: &Subquery) -> String {
    let step = subquery.step.as_ref().map_or(String::new(), length);
    format!(
        "[{}:{step}]{}",
        length(&subquery.range),
        shift(&subquery.time)
    )
}

/// The operator with `bool` and the matching.
fn operator(binary: &Binary) -> String {
    let is_bool = if binary.is_bool { " bool" } else { "" };
    format!(
        "{}{is_bool}{}",
        binary.op.text(),
        matching(&binary.matching)
    )
}

fn matching(matching: &Matching) -> String {
    let is_said =
        matching.is_on || !matching.labels.is_empty() || matching.grouping != Grouping::None;
    if !is_said {
        return String::new();
    }
    let way = if matching.is_on { "on" } else { "ignoring" };
    let grouping = match matching.grouping {
        Grouping::None => String::new(),
        Grouping::Left => format!(" group_left ({})", labels(&matching.include)),
        Grouping::Right => format!(" group_right ({})", labels(&matching.include)),
    };
    format!(" {way} ({}){grouping}", labels(&matching.labels))
}

/// The operator with its grouping.
fn aggregation(aggregate: &Aggregate) -> String {
    let op = aggregate.op.text();
    let names = labels(&aggregate.labels);
    if aggregate.is_without {
        format!("{op} without ({names}) ")
    } else if aggregate.labels.is_empty() {
        op.to_owned()
    } else {
        format!("{op} by ({names}) ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Features;
    use super::super::parse::parse;
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let expr = parse(text, Features::default());
        let got = expr
            .map(|expr| pretty(&expr))
            .map_err(|error| error.to_string());
        assert_eq!(got, Ok(expected.to_owned()));
    }

    #[test]
    fn short_queries_stand_on_one_line() {
        check("sum(a)by(b)", "sum by (b) (a)");
        check("SUM  ( a )", "sum(a)");
        check("sum without() (a)", "sum without () (a)");
        check("a{z='1',b=~\"x\\n\"}", "a{b=~\"x\\n\",z=\"1\"}");
        check(
            "{\"a b\", \"c d\"=\"e\"}",
            "{\"c d\"=\"e\",__name__=\"a b\"}",
        );
        check(
            "a[90s:15] offset -1h @ 5",
            "a[1m30s:15s] @ 5.000 offset -1h",
        );
        check("a[5m] @ end()", "a[5m] @ end()");
        check("a*on(b)group_left(c)d", "a * on (b) group_left (c) d");
        check("a>bool ignoring(b)c", "a > bool ignoring (b) c");
        check("topk(3,a)", "topk(3, a)");
        check("-(a)+ 1e3 ^ .5", "-(a) + 1000 ^ 0.5");
        check("rate(a[1m]) # why", "rate(a[1m])");
        check("5m + Inf", "5m + +Inf");
        check("1 - +Inf * -Inf", "1 - +Inf * -Inf");
        check("+1 - -5m + --3 ^ -x", "1 - -5m + --3 ^ -x");
    }

    #[test]
    fn long_queries_are_split_where_they_nest() {
        let long = "x".repeat(60);
        check(
            &format!("sum by (b) ({long}) / sum by (b) (rate({long}[5m]) > 0)"),
            &format!("  sum by (b) ({long})\n/\n  sum by (b) (rate({long}[5m]) > 0)"),
        );
        check(
            &format!("topk(3, ({long} + {long}))"),
            &format!("topk(\n  3,\n  (\n      {long}\n    +\n      {long}\n  )\n)"),
        );
    }
}
