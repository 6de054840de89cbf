//! PromQL that gives the numbers of an answer: copied into a panel it shows the same over time. In: a range, and whose numbers. Out: queries.

use service_map::edge::{CLIENT_SECONDS, FAILED, REQUESTS};

use crate::api::own::Reproduced;
use crate::map::range::Range;
use crate::map::spans::By;
use crate::map::tally::INSTANCE_INFO;

/// Requests with these labels and their p95, by others.
pub(super) fn requests(
    metric: &str,
    by: By,
    labels: &[(&str, &str)],
    range: Range,
) -> Vec<Reproduced> {
    let equal = |(name, value): &(&str, &str)| format!("{name}={}", quoted(value));
    let equal: Vec<String> = labels.iter().map(equal).collect();
    let series = match equal.as_slice() {
        [] => metric.to_owned(),
        equal => format!("{metric}{{{}}}", equal.join(",")),
    };
    let (by, over) = (by.join(", "), over(range));
    vec![
        promql(format!(
            "sum by ({by}, status_code) (histogram_count(increase({series}{over})))"
        )),
        promql(format!(
            "histogram_quantile(0.95, sum by ({by}) (increase({series}{over})))"
        )),
    ]
}

/// Calls of a service and those that it answers.
pub(super) fn calls(service: &str, range: Range) -> Vec<Reproduced> {
    let (name, over) = (quoted(service), over(range));
    let of = |metric: &str| {
        format!(
            "increase({metric}{{client={name}}}{over}) or increase({metric}{{server={name}}}{over})"
        )
    };
    let by = "client, server, connection_type, virtual_node";
    let sum = |metric: &str| promql(format!("sum by ({by}) ({})", of(metric)));
    let p95 = of(CLIENT_SECONDS);
    vec![
        sum(REQUESTS),
        sum(FAILED),
        promql(format!("histogram_quantile(0.95, sum by ({by}) ({p95}))")),
    ]
}

/// Versions of a service with the instances that ran them.
pub(super) fn versions(service: &str, range: Range) -> Vec<Reproduced> {
    let (name, over) = (quoted(service), over(range));
    vec![promql(format!(
        "count by (service_version) (count_over_time({INSTANCE_INFO}{{service_name={name}}}{over}))"
    ))]
}

fn promql(q: String) -> Reproduced {
    Reproduced { lang: "promql", q }
}

fn over(range: Range) -> String {
    let seconds = (range.seconds() as u64).max(1);
    format!("[{seconds}s] @ {}", range.to_ms.div_euclid(1_000))
}

/// A text of PromQL.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_the_service_and_the_range() {
        let range = Range {
            from_ms: 1_000,
            to_ms: 61_900,
        };
        let found = requests("m", &["span_name"], &[("a", "x\"y"), ("b", "")], range);
        let text: Vec<&str> = found.iter().map(|one| one.q.as_str()).collect();
        let series = r#"m{a="x\"y",b=""}[60s] @ 61"#;
        assert_eq!(
            text,
            [
                format!("sum by (span_name, status_code) (histogram_count(increase({series})))"),
                format!("histogram_quantile(0.95, sum by (span_name) (increase({series})))"),
            ]
        );
    }
}
