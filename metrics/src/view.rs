//! Views: the names under which other tools look for RED and edges, resolved when read. In: a selector. Out: which series to read in its place, and what
//! they are in the tools' words.
//!
//! A view has labels of its own; series that differ in others are added up. It costs no storage and cannot disagree with what it is made of.

mod classic;
mod exemplars;
mod names;

use crate::labels::NAME;
use crate::window::collapse;
use crate::{Labels, MatchOp, Matcher, Points, SeriesData, Value, Window};

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
}

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
    pub fn source_matchers(&self, matchers: &[Matcher]) -> Vec<Matcher> {
        let name = Matcher {
            name: NAME.to_owned(),
            op: MatchOp::Equal,
            value: self.source.to_owned(),
        };
        let of_source = matchers.iter().filter_map(|matcher| {
            let name = self.source_label(&matcher.name)?;
            Some(Matcher {
                name: name.to_owned(),
                ..matcher.clone()
            })
        });
        std::iter::once(name).chain(of_source).collect()
    }

    fn source_label<'a>(&self, label: &'a str) -> Option<&'a str> {
        match self.labels {
            ViewLabels::All => (label != NAME && label != "le").then_some(label),
            ViewLabels::Renamed { pairs, .. } => {
                let pair = pairs.iter().find(|(own, _)| *own == label);
                pair.map(|(_, source)| *source)
            }
        }
    }

    /// The labels that a series of the source has in this view, without `le`.
    #[must_use]
    pub fn labels_of(&self, source: &Labels) -> Labels {
        match self.labels {
            ViewLabels::All => source.with(NAME, self.name),
            ViewLabels::Renamed { pairs, overflow } => {
                let own = pairs.iter().map(|(own, from)| (*own, source.get(from)));
                let is_overflow = source.get("span_name") == OVERFLOW;
                let mark = is_overflow.then_some((overflow, "true"));
                Labels::new(own.chain(mark).chain([(NAME, self.name)]))
            }
        }
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
            Part::Whole => vec![(labels, windows)],
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
    pub fn shown_labels(&self, source: &Labels) -> Vec<Labels> {
        let labels = self.labels_of(source);
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
