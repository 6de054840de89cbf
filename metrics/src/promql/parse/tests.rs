//! What is a query, what it is, and what is said of what is none.

use super::*;

fn parsed(text: &str) -> Result<Expr, PromqlError> {
    parse(text, Features::default())
}

/// The tree in full parentheses.
fn shape(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Paren(inner) => shape(inner),
        ExprKind::Unary { is_minus, expr } => {
            format!("({}{})", if *is_minus { '-' } else { '+' }, shape(expr))
        }
        ExprKind::Binary(binary) => format!(
            "({} {} {})",
            shape(&binary.lhs),
            binary.op.text(),
            shape(&binary.rhs)
        ),
        _ => super::super::format::one_line(expr),
    }
}

#[track_caller]
fn check_shape(text: &str, expected: &str) {
    let got = parsed(text).map(|expr| shape(&expr));
    assert_eq!(
        got.map_err(|error| error.to_string()),
        Ok(expected.to_owned()),
        "{text}"
    );
}

#[test]
fn operators_bind_as_in_prometheus() {
    check_shape("a + b * c", "(a + (b * c))");
    check_shape("a * b + c", "((a * b) + c)");
    check_shape("a - b - c", "((a - b) - c)");
    check_shape("a ^ b ^ c", "(a ^ (b ^ c))");
    check_shape("-a ^ b", "(-(a ^ b))");
    check_shape("-a * b", "((-a) * b)");
    check_shape("a ^ -b", "(a ^ (-b))");
    check_shape("a or b and c", "(a or (b and c))");
    check_shape("a and b unless c", "((a and b) unless c)");
    check_shape("a > b + c", "(a > (b + c))");
    check_shape("a == bool b or c", "((a == b) or c)");
    check_shape("a atan2 b * c", "((a atan2 b) * c)");
    check_shape("a offset 100 + 2", "(a offset 1m40s + 2)");
    check_shape("a offset 2 ^ 2", "(a offset 2s ^ 2)");
    check_shape("a OR b AND c", "(a or (b and c))");
}

#[test]
fn words_of_the_language_name_metrics_and_labels_too() {
    for text in [
        "sum",
        "by",
        "offset",
        "and",
        "start",
        "end",
        "step",
        "range",
        "fill",
        "min{bool=\"1\"}",
        "up{by=\"1\"}",
        "sum by (sum, by, on) (up)",
        "sum(sum)",
        "or or or",
        "rate",
        "{__name__=\"bool\"}",
    ] {
        assert!(parsed(text).is_ok(), "{text}: {:?}", parsed(text).err());
    }
}

#[test]
fn what_is_no_query_is_told() {
    for (text, said) in [
        ("", "1:1: parse error: no expression found in input"),
        ("up {", "1:5: parse error: unexpected end of input"),
        ("a\n + + ]", "2:6: parse error: unexpected \"]\""),
        (
            "{}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "{a=~\".*\"}",
            "1:1: parse error: vector selector must contain",
        ),
        (
            "up{__name__=\"down\"}",
            "1:1: parse error: metric name must not be set twice: \"up\" or \"down\"",
        ),
        ("up[0]", "duration must be greater than 0"),
        ("up[5m", "unexpected end of input in matrix selector"),
        ("up[5m][5m]", "ranges only allowed for vector selectors"),
        ("up[1e300]", "duration out of range"),
        (
            "up offset 5m[1m]",
            "no offset modifiers allowed before range",
        ),
        ("up @ 1[1m]", "no @ modifiers allowed before range"),
        ("up @ NaN", "timestamp out of bounds"),
        (
            "up offset 1m offset 2m",
            "offset may not be set multiple times",
        ),
        ("(up) offset 1m", "offset modifier must be preceded by"),
        (
            "1 > 2",
            "comparisons between scalars must use BOOL modifier",
        ),
        (
            "1 and 2",
            "set operator \"and\" not allowed in binary scalar expression",
        ),
        (
            "a + bool b",
            "bool modifier can only be used on comparison operators",
        ),
        (
            "a and on(x) group_left b",
            "no grouping allowed for \"and\" operation",
        ),
        (
            "a + on(x) group_left(x) b",
            "label \"x\" must not occur in ON and GROUP clause at once",
        ),
        (
            "1 + on(x) b",
            "vector matching only allowed between instant vectors",
        ),
        (
            "a[1m] + 1",
            "binary expression must contain only scalar and instant vector types",
        ),
        ("-a[1m]", "unary expression only allowed on"),
        ("foo(a)", "unknown function with name \"foo\""),
        (
            "rate(a)",
            "expected type range vector in call to function \"rate\", got instant vector",
        ),
        (
            "rate()",
            "expected 1 argument(s) in call to \"rate\", got 0",
        ),
        (
            "round(a, 1, 2)",
            "expected at most 2 argument(s) in call to \"round\", got 3",
        ),
        ("label_join(a, \"b\")", "expected at least 3 argument(s)"),
        ("sum()", "no arguments for aggregate expression provided"),
        (
            "topk(a)",
            "wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
        (
            "topk(a, a)",
            "expected type scalar in aggregation expression, got instant vector",
        ),
        ("sum by (a", "unexpected end of input in grouping opts"),
        ("a{b=~\"(\"}", "error parsing regexp"),
        ("a b", "unexpected identifier \"b\""),
        (
            "1[5m:]",
            "subquery is only allowed on instant vector, got scalar instead",
        ),
    ] {
        let got = parsed(text)
            .map(|expr| shape(&expr))
            .map_err(|error| error.to_string());
        assert!(
            matches!(&got, Err(told) if told.contains(said)),
            "{text}: {got:?}"
        );
    }
}

#[test]
fn what_is_not_on_is_named() {
    for (text, feature) in [
        ("limitk(1, a)", "promql-experimental-functions"),
        ("mad_over_time(a[1m])", "promql-experimental-functions"),
        ("a[step()]", "promql-duration-expr"),
        ("a offset -min(step(), 1s)", "promql-duration-expr"),
        ("a[1m + 1m]", "promql-duration-expr"),
        ("a[5m] anchored", "promql-extended-range-selectors"),
        ("a + fill(0) b", "promql-binop-fill-modifiers"),
        ("histogram_quantiles(a, \"q\", 0.5)", "Prometheus 3.9"),
    ] {
        let got = parsed(text).err();
        let is_named =
            matches!(&got, Some(PromqlError::NotSupported { feature: at }) if at.contains(feature));
        assert!(is_named, "{text}: {got:?}");
    }
    let all = Features {
        experimental_functions: true,
        duration_expressions: true,
        ..Features::default()
    };
    for text in [
        "limitk(1, a)",
        "a[step()]",
        "a offset -min(step(), 1s)^0",
        "a[(1m + 1m) * 2:step()]",
    ] {
        assert!(
            parse(text, all).is_ok(),
            "{text}: {:?}",
            parse(text, all).err()
        );
    }
}

#[test]
fn huge_queries_are_refused_and_end_no_stack() {
    let long = |part: &str, n: usize, tail: &str| format!("{}{tail}", part.repeat(n));
    let cases = [
        long("(", 16_000, "a"),
        long("-", 16_000, "a"),
        long("a or ", 6_000, "a"),
        long("a ^ ", 6_000, "a"),
        long("abs(", 5_000, "a"),
        long("sum by (x) (", 2_000, "a"),
        long("a[1m:", 2_000, "1m]"),
        format!("a{}", long("[1m:1m]", 3_000, "")),
        long("x", 1 << 20, ""),
        format!("{{{}}}", long("a=\"b\",", 4_000, "")),
        format!("label_join(a, \"b\", \"c\"{})", long(", \"d\"", 3_000, "")),
        format!("a{{b=~\"{}\"}}", long("a", 2_000, "")),
        "a{b=~\"(x{1000}){1000}\"}".to_owned(),
        "a{b=~\"(((a+)+)+)+$\\u{1000}\"}".to_owned(),
    ];
    for text in cases {
        let head: String = text.chars().take(30).collect();
        assert!(parsed(&text).is_err(), "{head}");
        let all = Features {
            experimental_functions: true,
            duration_expressions: true,
            ..Features::default()
        };
        assert!(parse(&text, all).is_err(), "{head}");
    }
    let duration = Features {
        duration_expressions: true,
        ..Features::default()
    };
    for inner in [
        long("(", 5_000, "1m"),
        long("-", 5_000, "1m"),
        long("1m + ", 5_000, "1m"),
        long("min(1,", 4_000, ""),
    ] {
        assert!(parse(&format!("a[{inner}]"), duration).is_err());
    }
    let chain = long("a + ", 250, "a");
    assert!(parsed(&chain).is_ok());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let parsed = parsed(&text);
        drop(parsed);
    }

    #[test]
    fn no_row_of_words_panics(words in proptest::collection::vec(proptest::sample::select(&[
        "a", "sum", "by", "(", ")", "{", "}", "[", "]", "5m", "1", ":", ",", "+", "-", "^", "offset", "@", "start()", "rate", "\"x\"", "=", "=~",
        "on", "group_left", "bool", ">", "or", "step()", "topk", "label_replace", "\n", "#", "'", "min(",
    ][..]), 0..24)) {
        let text = words.join(" ");
        let all = Features { experimental_functions: true, duration_expressions: true, delayed_name_removal: true };
        if let Ok(expr) = parse(&text, all) {
            // what is written again is the same query
            let line = super::super::format::one_line(&expr);
            let again = parse(&line, all).map(|expr| super::super::format::one_line(&expr));
            proptest::prop_assert_eq!(again.map_err(|error| error.to_string()), Ok(line));
        }
    }
}
