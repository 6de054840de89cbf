//! A PromQL query is refused or understood: within its limits, never with a panic or an overflow of the stack, and what the formatter makes of it is the
//! same query again.

use metrics::promql::ast::Expr;
use metrics::promql::{Features, format, parse, parse_matchers};

/// Longest query, in bytes (interfaces of the language: 32 KiB).
const TEXT_BYTES_MAX: usize = 32 << 10;
/// Levels of a tree.
const DEPTH_MAX: usize = 256;
const ALL: Features = Features {
    experimental_functions: true,
    duration_expressions: true,
    delayed_name_removal: true,
};

pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A selector is a query; refusing one is no failure.
    drop(parse_matchers(&text));
    for features in [Features::default(), ALL] {
        match parse(&text, features) {
            Ok(expr) => understood(&text, &expr, features),
            Err(error) => assert!(!error.to_string().is_empty(), "an error says something"),
        }
    }
}

fn understood(text: &str, expr: &Expr, features: Features) {
    assert!(text.len() <= TEXT_BYTES_MAX, "a text beyond its limit");
    assert!(expr.depth <= DEPTH_MAX, "a tree of {} levels", expr.depth);
    drop(std::hint::black_box(expr.clone()));
    let laid_out = format(text, features).expect("what is parsed can be laid out");
    if laid_out.len() > TEXT_BYTES_MAX {
        return; // it was indented beyond the limit
    }
    match format(&laid_out, features) {
        Ok(again) => assert_eq!(again, laid_out, "laid out once more"),
        Err(error) => panic!("what the formatter wrote is refused: {error}"),
    }
}
