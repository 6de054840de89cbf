//! The PromQL that a lane shows beside its values, so that a person can go on from there. Pure.

use std::fmt::Write as _;

use ::metrics::SeriesData;
use telemetry::signals::{Expression, Pick};

use super::evaluate::label_of;

/// A source in PromQL: `selector` are the labels of the entity, as (name, operator and value).
pub(super) fn text(
    value: &Expression,
    factor: f64,
    series: &[&SeriesData],
    selector: &[(String, String)],
    window_ms: i64,
) -> String {
    let source = Source {
        series,
        selector,
        window_ms,
    };
    let text = source.write(value);
    if factor == 1.0 {
        text
    } else {
        format!("{text} * {factor:e}")
    }
}

struct Source<'a> {
    series: &'a [&'a SeriesData],
    selector: &'a [(String, String)],
    window_ms: i64,
}

impl Source<'_> {
    fn write(&self, value: &Expression) -> String {
        match value {
            Expression::Rate(pick) => {
                let window_s = (self.window_ms / 1_000).max(1);
                format!("sum(rate({}[{window_s}s]))", self.selected(pick))
            }
            Expression::Value(pick) => format!("sum({})", self.selected(pick)),
            Expression::Ratio(a, b) => format!("{} / {}", self.write(a), self.write(b)),
            Expression::Rest(of) => format!("1 - {}", self.write(of)),
        }
    }

    fn selected(&self, pick: &Pick) -> String {
        let mut text = format!("{}{{", pick.metric);
        for (idx, (name, condition)) in self.selector.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            let written = write!(text, "{comma}{name}{condition}");
            written.expect("a String takes all text");
        }
        if let Some(only) = &pick.only {
            let of_pick = self.series.iter().copied();
            let of_pick: Vec<&SeriesData> = of_pick
                .filter(|one| one.labels.name() == pick.metric)
                .collect();
            let label = label_of(only, &of_pick);
            let operator = match (only.is, only.values.len()) {
                (true, 1) => "=",
                (false, 1) => "!=",
                (true, _) => "=~",
                (false, _) => "!~",
            };
            let comma = if self.selector.is_empty() { "" } else { "," };
            let values = only.values.join("|");
            let written = write!(text, "{comma}{label}{operator}{}", quoted(&values));
            written.expect("a String takes all text");
        }
        text.push('}');
        text
    }
}

/// Text as PromQL writes it.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}
