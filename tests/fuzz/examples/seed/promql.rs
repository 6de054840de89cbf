//! Queries: one of each shape of the language, and texts that were made to hurt a parser.

use std::collections::BTreeMap;

const QUERIES: &[&str] = &[
    "metric",
    "10 atan2 20",
    "-{job=\"api\"}",
    "0x1F + 1e-3 - Inf * NaN",
    "stdvar by (label) (series)",
    "clamp(metric_total, 0, 100)",
    "avg(topk(9, foo)) != bool 52",
    "metric offset 15m or metric2 offset -45m",
    "metric @ 1603774568.5 + metric @ end() offset 1h",
    "{__name__=~\".+\", job!~\"api-.+\", group!=\"\"}",
    "{\"with.dots\", \"a b\"='\\'', c=`\\d`}",
    "metric1_total offset -(min(step(), 1s))+8000",
    "sum_over_time((metric1_total)[30:10] offset 3)",
    "min_over_time(rate(metric_total[5m])[20m:1m] @ start())",
    "count_over_time(metric1_total[max(3s,min(step(), 1s)*2^2)])",
    "sum without (instance) (http_requests{job=\"api-server\"} or foo)",
    "label_replace((((testmetric))), ((\"dst\")), \"$1-v\", \"src\", \"(.*)-(.*)\")",
    "rate(http_requests_total{group=~\".*?(?i:PRO).*\"}[1m] offset 10000s)",
    "node_cpu > on(job, instance) group_left(target) (threshold or on (job) (sum by (job)(node_cpu) * 0 + 1))",
    "node_cpu / ignoring (mode) group_right(dummy) sum without (mode)(node_cpu) # a comment",
    "histogram_quantile(0.99, sum by (le) (rate(request_seconds_bucket[5m]))) and ignoring() vector(1) unless absent(x)",
    "count_values by (job) (\"version\", build) % 2 ^ -3 ^ 2 == bool 1",
    "info(rate(http_requests_total[5m]), {k8s_cluster_name=~\".+\"})",
    "sort_desc(limitk(2, x)) + limit_ratio(-0.5, y)",
    "\"a text \\u00e9 \\x41\"",
];

/// Each is refused, quickly and without much stack.
fn hurtful() -> Vec<(&'static str, String)> {
    let wrapped =
        |open: &str, n: usize, inner: &str, close: &str| open.repeat(n) + inner + &close.repeat(n);
    vec![
        ("brackets-open", "(".repeat(4)),
        ("brackets-many", "(".repeat(32_000)),
        ("brackets-closed", wrapped("(", 10_000, "x", ")")),
        ("calls", wrapped("abs(", 6_000, "x", ")")),
        ("calls-beyond-the-length", wrapped("abs(", 10_000, "x", ")")),
        ("aggregations", wrapped("sum by (a) (", 2_000, "x", ")")),
        ("subqueries", "x".to_owned() + &"[1m:1s]".repeat(4_000)),
        ("or-chain", "a or ".repeat(6_000) + "a"),
        ("or-chain-allowed", "a or ".repeat(250) + "a"),
        ("power-chain", "2^".repeat(16_000) + "2"),
        ("minus-chain", "-".repeat(32_000) + "x"),
        ("matchers", format!("{{{}}}", "a=\"b\",".repeat(5_000))),
        ("length-operators", format!("x[{}1s]", "1s+".repeat(8_000))),
        (
            "length-brackets",
            format!("x[{}]", wrapped("(", 8_000, "1s", ")")),
        ),
        (
            "pattern-that-grows",
            "{a=~\"((((a{99}){99}){99}){99}){99}\"}".to_owned(),
        ),
        ("pattern-deep", format!("{{a=~\"{}\"}}", "(".repeat(1_000))),
        ("text-open", "\"abc\\".to_owned()),
        ("escapes", "\"\\xff\\u12\\777\\q\"".to_owned()),
        (
            "numbers",
            "0x 1e 1_000 9999999999999999999999y 1m1m".to_owned(),
        ),
        ("no-end", "sum(".to_owned()),
    ]
}

pub(crate) fn seeds() -> BTreeMap<String, Vec<u8>> {
    let queries = (0..)
        .zip(QUERIES)
        .map(|(n, text): (usize, _)| (format!("promql_parse/{n:02}"), text.as_bytes().to_vec()));
    let hurtful = hurtful()
        .into_iter()
        .map(|(name, text)| (format!("promql_parse/{name}"), text.into_bytes()));
    queries.chain(hurtful).collect()
}
