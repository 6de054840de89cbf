//! A trace as a tree of lines, from its OTLP JSON. Pure; a cycle or a missing parent makes a root, and nothing recurses.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Deserialize;

use super::csv::Csv;
use super::print::Safe;

/// Deepest indent that is drawn; what lies deeper stays at it.
const INDENT_MAX: usize = 40;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Traces {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attribute {
    key: String,
    value: serde_json::Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ScopeSpans {
    spans: Vec<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Span {
    span_id: String,
    parent_span_id: String,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u8,
    message: String,
}

/// A span with what is shown of it.
struct Row<'a> {
    service: &'a str,
    span: &'a Span,
    start_ns: u64,
    duration_ns: u64,
}

/// The lines of the tree, each with its duration in front: depth first, siblings by start.
pub(super) fn lines(traces: &Traces) -> Vec<String> {
    let rows = rows(traces);
    walk(&rows)
        .into_iter()
        .map(|(index, depth)| line(&rows[index], depth))
        .collect()
}

/// A row a span, by start.
pub(super) fn csv(traces: &Traces) -> Csv {
    let mut csv = Csv::new([
        "service",
        "name",
        "kind",
        "span_id",
        "parent_span_id",
        "start_unix_ns",
        "duration_ns",
        "status",
        "message",
    ]);
    for row in rows(traces) {
        let Span { status, .. } = row.span;
        csv.row([
            row.service.to_owned(),
            row.span.name.clone(),
            kind(row.span).to_owned(),
            row.span.span_id.clone(),
            row.span.parent_span_id.clone(),
            row.start_ns.to_string(),
            row.duration_ns.to_string(),
            ["unset", "ok", "error"]
                .get(usize::from(status.code))
                .map_or_else(|| status.code.to_string(), ToString::to_string),
            status.message.clone(),
        ]);
    }
    csv
}

fn kind(span: &Span) -> &'static str {
    let kinds = ["", "internal", "server", "client", "producer", "consumer"];
    kinds.get(usize::from(span.kind)).unwrap_or(&"")
}

fn rows(traces: &Traces) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for of_resource in &traces.resource_spans {
        let named = of_resource
            .resource
            .attributes
            .iter()
            .find(|a| a.key == "service.name");
        let service = named
            .and_then(|a| a.value.get("stringValue"))
            .and_then(|v| v.as_str())
            .unwrap_or("unknown_service");
        for span in of_resource.scope_spans.iter().flat_map(|s| &s.spans) {
            let start_ns: u64 = span.start_time_unix_nano.parse().unwrap_or(0);
            let end_ns: u64 = span.end_time_unix_nano.parse().unwrap_or(0);
            rows.push(Row {
                service,
                span,
                start_ns,
                duration_ns: end_ns.saturating_sub(start_ns),
            });
        }
    }
    rows.sort_by_key(|row| row.start_ns);
    rows
}

/// Index and depth of every row in the order it is drawn, each once.
fn walk(rows: &[Row<'_>]) -> Vec<(usize, usize)> {
    let present: HashMap<&str, usize> = rows
        .iter()
        .enumerate()
        .map(|(i, row)| (row.span.span_id.as_str(), i))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut roots = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match present.get(row.span.parent_span_id.as_str()) {
            Some(&parent) if parent != index => children[parent].push(index),
            _ => roots.push(index),
        }
    }
    let mut drawn = vec![false; rows.len()];
    let mut order = Vec::with_capacity(rows.len());
    // After the true roots every row again: what was not reached hangs in a cycle, and its earliest span is cut loose.
    for root in roots.into_iter().chain(0..rows.len()) {
        let mut stack = vec![(root, 0)];
        while let Some((index, depth)) = stack.pop() {
            if std::mem::replace(&mut drawn[index], true) {
                continue;
            }
            order.push((index, depth));
            stack.extend(
                children[index]
                    .iter()
                    .rev()
                    .map(|child| (*child, depth + 1)),
            );
        }
    }
    order
}

fn line(row: &Row<'_>, depth: usize) -> String {
    let mut text = format!(
        "{:>10}  {}",
        duration(row.duration_ns),
        "  ".repeat(depth.min(INDENT_MAX))
    );
    let kind = match kind(row.span) {
        "" | "internal" => String::new(),
        crosses => format!(" [{crosses}]"),
    };
    let mut put = |part: std::fmt::Arguments<'_>| {
        text.write_fmt(part)
            .expect("writing to a string does not fail")
    };
    put(format_args!(
        "{}: {}{kind}",
        Safe(row.service),
        Safe(&row.span.name)
    ));
    if row.span.status.code == 2 {
        put(format_args!("  ERROR {}", Safe(&row.span.status.message)));
    }
    text
}

/// A duration in the largest unit of which there is one, with three digits.
pub(super) fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_of(spans: &[(&str, &str)]) -> Vec<String> {
        let span = |(i, (id, parent)): (usize, &(&str, &str))| Span {
            span_id: (*id).to_owned(),
            parent_span_id: (*parent).to_owned(),
            name: (*id).to_owned(),
            start_time_unix_nano: i.to_string(),
            end_time_unix_nano: (i + 1_500_000).to_string(),
            ..Span::default()
        };
        let spans = spans.iter().enumerate().map(span).collect();
        let scope_spans = vec![ScopeSpans { spans }];
        let traces = Traces {
            resource_spans: vec![ResourceSpans {
                resource: Resource::default(),
                scope_spans,
            }],
        };
        lines(&traces)
            .iter()
            .map(|line| {
                line.trim_start_matches("    1.5 ms  ")
                    .replace("unknown_service: ", "")
            })
            .collect()
    }

    #[test]
    fn spans_are_rows_of_csv() {
        let traces: Traces = serde_json::from_str(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[
                {"spanId":"02","parentSpanId":"01","name":"x","kind":3,"startTimeUnixNano":"5","endTimeUnixNano":"9","status":{"code":2,"message":"no"}},
                {"spanId":"01","name":"y","startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}"#,
        )
        .expect("valid");
        assert_eq!(
            csv(&traces).lines()[1..],
            ["a,y,,01,,1,1,unset,", "a,x,client,02,01,5,4,error,no"]
        );
    }

    #[test]
    fn children_hang_below_their_parent() {
        assert_eq!(
            tree_of(&[("a", ""), ("b", "a"), ("c", "a"), ("d", "b")]),
            ["a", "  b", "    d", "  c"]
        );
    }

    #[test]
    fn orphans_cycles_and_own_parents_are_roots() {
        assert_eq!(
            tree_of(&[("a", "gone"), ("b", "c"), ("c", "b"), ("d", "d")]),
            ["a", "d", "b", "  c"]
        );
    }

    #[test]
    fn a_chain_of_100_000_is_drawn_without_recursion() {
        let ids: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
        let chain: Vec<(&str, &str)> = ids
            .iter()
            .enumerate()
            .map(|(i, id)| (id.as_str(), if i == 0 { "" } else { &ids[i - 1] }))
            .collect();
        assert_eq!(tree_of(&chain).len(), 100_000);
    }
}
