//! Exemplars under the names of views: an observation of the source is one of the view, in its bucket and in its unit.

use super::{Part, View, classic};
use crate::Labels;

impl View {
    /// The series of this view to which an observation of its source belongs, and the observation in the view's unit.
    #[must_use]
    pub fn exemplar(&self, source: &Labels, value: f64, kept: &[String]) -> Option<(Labels, f64)> {
        let labels = self.labels_of(source, kept)?;
        Some(match self.part {
            Part::Whole | Part::Count | Part::Seen => (labels, value),
            Part::Sum { per_second } => (labels, value * per_second),
            Part::Buckets { bounds, per_second } => {
                let value = value * per_second;
                let bound = bounds.iter().find(|bound| value <= **bound);
                let le = bound.map_or_else(|| "+Inf".to_owned(), |bound| classic::text(*bound));
                (labels.with("le", &le), value)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::VIEWS;
    use super::*;

    #[track_caller]
    fn check(name: &str, value_s: f64, (le, value): (&str, f64)) {
        let view = VIEWS.iter().find(|view| view.name == name).expect(name);
        let source = Labels::new([("__name__", view.source), ("service_name", "shop")]);
        let (labels, found) = view.exemplar(&source, value_s, &[]).expect("it is shown");
        assert_eq!((labels.name(), labels.get("le")), (name, le));
        assert!((found - value).abs() < 1e-9, "{name}: {found}");
    }

    #[test]
    fn an_observation_stands_in_its_bucket_and_unit() {
        check("traces_spanmetrics_latency", 0.0031, ("", 0.0031));
        check(
            "traces_spanmetrics_latency_bucket",
            0.0031,
            ("0.004", 0.0031),
        );
        check("traces_spanmetrics_latency_bucket", 0.004, ("0.004", 0.004));
        check("traces_spanmetrics_latency_bucket", 99.0, ("+Inf", 99.0));
        let milliseconds = "traces_span_metrics_duration_milliseconds";
        check(&format!("{milliseconds}_bucket"), 0.0031, ("4", 3.1));
        check(&format!("{milliseconds}_sum"), 0.0031, ("", 3.1));
        check("traces_span_metrics_calls_total", 0.0031, ("", 0.0031));
    }
}
