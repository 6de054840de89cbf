//! Views: the names under which other tools look for RED and edges, resolved when read. In: a selector. Out: which series to read in its place, and what
//! they are in the tools' words.
//!
//! A view has labels of its own; series that differ in others are added up. It costs no storage and cannot disagree with what it is made of.

mod classic;
mod exemplars;
mod names;

use crate::labels::NAME;
use crate::window::collapse;
use crate::{Labels, MatchOp, Matcher, Points, Samples, SeriesData, Value, Window};

pub use names::VIEWS;

/// One name that other tools know.
#[derive(Debug, Clone, Copy)]
pub struct View {
    pub name: &'static str,
    /// The metric that it is made of.
    pub source: &'static str,
    pub part: Part,
    pub labels: ViewLabels,
}

/// What it shows of the windows of its source.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// As they are.
    Whole,
    /// That an info series was there: samples of 1.
    Seen,
    /// Observations of a histogram.
    Count,
    /// Their sum, in units of which a second has so many.
    Sum { per_second: f64 },
    /// A classic histogram with these upper bounds, ascending, in units of which a second has so many.
    Buckets {
        bounds: &'static [f64],
        per_second: f64,
    },
}

/// Which labels it has.
#[derive(Debug, Clone, Copy)]
pub enum ViewLabels {
    /// Those of its source.
    All,
    /// (its own, the source's). A span name that stands for many is marked by the last.
    Renamed {
        pairs: &'static [(&'static str, &'static str)],
        overflow: &'static str,
    },
    /// Those of an info series, the service and its instance as `job` and `instance` (OpenTelemetry, "Prometheus compatibility", resource attributes).
    Target,
    /// The host of an info series as Grafana knows it: `grafana_host_id`, and in `host_source` the attribute that says it.
    Host,
}

/// Labels of which `job` and `instance` are made.
const OF_TARGET: [&str; 3] = ["service_instance_id", "service_name", "service_namespace"];
/// What says which host it is, the first that is there, and its label.
const OF_HOST: [(&str, &str); 2] = [("k8s.node.name", "k8s_node_name"), ("host.id", "host_id")];

/// The span name under which spans count whose own series is one too many.
const OVERFLOW: &str = "__overflow__";

impl View {
    /// The views that a selector means: it must say something of the name.
    pub fn wanted(matchers: &[Matcher]) -> impl Iterator<Item = &'static Self> {
        let of_name = |matcher: &&Matcher| matcher.name == NAME;
        let says_something = matchers.iter().filter(of_name).any(|matcher| {
            matches!(matcher.op, MatchOp::Equal | MatchOp::Regex(_))
                && !matches!(matcher.value.as_str(), ".*" | ".+")
        });
        VIEWS.iter().filter(move |view| {
            let fits = |matcher: &Matcher| matcher.name != NAME || matcher.matches(view.name);
            says_something && matchers.iter().all(fits)
        })
    }

    /// Matchers for its source: what can be said of the source's labels already.
    #[must_use]
    pub fn source_matchers(&self, matchers: &[Matcher], kept: &[String]) -> Vec<Matcher> {
        let name = Matcher {
            name: NAME.to_owned(),
            op: MatchOp::Equal,
            value: self.source.to_owned(),
        };
        let of_source = matchers.iter().filter_map(|matcher| {
            let name = self.source_label(&matcher.name, kept)?;
            Some(Matcher {
                name: name.to_owned(),
                ..matcher.clone()
            })
        });
        std::iter::once(name).chain(of_source).collect()
    }

    fn source_label<'a>(&self, label: &'a str, kept: &[String]) -> Option<&'a str> {
        match self.labels {
            ViewLabels::All => (label != NAME && label != "le").then_some(label),
            ViewLabels::Renamed { pairs, .. } => {
                let pair = pairs.iter().find(|(own, _)| *own == label);
                let is_kept = kept.iter().any(|kept| kept == label);
                pair.map(|(_, source)| *source).or(is_kept.then_some(label))
            }
            ViewLabels::Target => {
                let is_own = [NAME, "instance", "job"].contains(&label);
                (!is_own && !OF_TARGET.contains(&label)).then_some(label)
            }
            ViewLabels::Host => None,
        }
    }

    /// The labels that a series of the source has in this view, without `le`; none if it is not in it. Labels that are `kept` stand beside the view's own.
    #[must_use]
    pub fn labels_of(&self, source: &Labels, kept: &[String]) -> Option<Labels> {
        match self.labels {
            ViewLabels::All => Some(source.with(NAME, self.name)),
            ViewLabels::Renamed { pairs, overflow } => {
                let own = pairs.iter().map(|(own, from)| (*own, source.get(from)));
                let is_overflow = source.get("span_name") == OVERFLOW;
                let mark = is_overflow.then_some((overflow, "true"));
                let kept = kept.iter().map(|label| (label.as_str(), source.get(label)));
                let all = own.chain(mark).chain(kept);
                Some(Labels::new(all.chain([(NAME, self.name)])))
            }
            ViewLabels::Target => {
                let namespace = source.get("service_namespace");
                let job = match (namespace, source.get("service_name")) {
                    ("", name) => name.to_owned(),
                    (namespace, name) => format!("{namespace}/{name}"),
                };
                let rest = source.filtered(|label| !OF_TARGET.contains(&label));
                let rest = rest.with("instance", source.get("service_instance_id"));
                Some(rest.with("job", &job).with(NAME, self.name))
            }
            ViewLabels::Host => {
                let said = |(_, label): &&(&str, &str)| !source.get(label).is_empty();
                let (attribute, label) = OF_HOST.iter().find(said)?;
                let all = [
                    ("grafana_host_id", source.get(label)),
                    ("host_source", attribute),
                    (NAME, self.name),
                ];
                Some(Labels::new(all))
            }
        }
    }

    /// The info series of this view that `matchers` mean: when any of its group was seen.
    #[must_use]
    pub fn show_seen(
        &self,
        labels: &Labels,
        seen: impl IntoIterator<Item = Samples>,
        matchers: &[Matcher],
    ) -> Option<SeriesData> {
        let mut floats: Vec<(i64, f64)> = seen.into_iter().flat_map(|one| one.floats).collect();
        // of one time a mark of an end counts least
        floats.sort_by_key(|(at, value)| (*at, value.is_nan()));
        floats.dedup_by_key(|(at, _)| *at);
        let is_meant = Matcher::all_match(matchers, labels) && !floats.is_empty();
        is_meant.then(|| SeriesData {
            labels: labels.clone(),
            points: Points::Samples(Samples {
                floats,
                histograms: Vec::new(),
            }),
        })
    }

    /// The series of this view that `matchers` mean, of one group: its labels without `le`, and the windows of all series of the source that have them.
    #[must_use]
    pub fn show(
        &self,
        labels: &Labels,
        mut windows: Vec<Window>,
        matchers: &[Matcher],
    ) -> Vec<SeriesData> {
        collapse(&mut windows);
        let mut shown = Vec::new();
        for (labels, windows) in self.parts(labels.clone(), windows) {
            if Matcher::all_match(matchers, &labels) && !windows.is_empty() {
                let points = Points::Windows(windows);
                shown.push(SeriesData { labels, points });
            }
        }
        shown
    }

    fn parts(&self, labels: Labels, windows: Vec<Window>) -> Vec<(Labels, Vec<Window>)> {
        match self.part {
            Part::Whole | Part::Seen => vec![(labels, windows)],
            Part::Count => vec![(labels, numbers(&windows, |h| h.count))],
            Part::Sum { per_second } => {
                vec![(labels, numbers(&windows, |h| h.sum * per_second))]
            }
            Part::Buckets { bounds, per_second } => {
                let bucket = |bound: &f64| {
                    let labels = labels.with("le", &classic::text(*bound));
                    let count = |h: &crate::Histogram| classic::at_most(h, bound / per_second);
                    (labels, numbers(&windows, count))
                };
                let all = (labels.with("le", "+Inf"), numbers(&windows, |h| h.count));
                bounds.iter().map(bucket).chain([all]).collect()
            }
        }
    }

    /// Labels of what it shows of a series of its source.
    #[must_use]
    pub fn shown_labels(&self, source: &Labels, kept: &[String]) -> Vec<Labels> {
        let Some(labels) = self.labels_of(source, kept) else {
            return Vec::new();
        };
        let Part::Buckets { bounds, .. } = self.part else {
            return vec![labels];
        };
        let texts = bounds.iter().map(|bound| classic::text(*bound));
        let all = texts.chain(["+Inf".to_owned()]);
        all.map(|le| labels.with("le", &le)).collect()
    }
}

/// Windows of histograms as windows of a number that each has.
fn numbers(windows: &[Window], number: impl Fn(&crate::Histogram) -> f64) -> Vec<Window> {
    let of_window = |window: &Window| {
        let Value::Histogram(histogram) = &window.value else {
            return None;
        };
        Some(Window {
            value: Value::Float(number(histogram)),
            ..*window
        })
    };
    windows.iter().filter_map(of_window).collect()
}

#[cfg(test)]
mod tests;
