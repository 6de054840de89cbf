//! A lane: the signals of one container or host around a trace. In: who it is, and the store. Out: values on a grid, what is usual, and where they differ.

use std::collections::BTreeSet;

use ::metrics::{Matcher, SeriesData};
use telemetry::SpanId;
use telemetry::entity::{EntityId, EntityKind};
use telemetry::signals::{self, By, Expression, Signal, Source};

use super::constants::{
    PARTS_MAX, USUAL_GAP_MS, USUAL_MS, USUAL_STEP_MS, WINDOW_MS, WINDOW_MS_MAX,
};
use super::evaluate::{evaluate, first_label, newest, parts, picked, window_ms};
use super::grid::Grid;
use super::info::KnownHost;
use super::join::{Method, host_labels};
use super::load::{NAME, Reader, equal, matching, one_of};
use super::promql::{self, quoted};
use super::usual::{Band, abnormal};
use crate::refusal::Refusal;

/// What one entity did around a trace.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lane {
    pub(crate) entity: EntityId,
    pub(crate) label: String,
    pub(crate) method: Method,
    /// Stretches of the critical path that ran on it, in order of time.
    pub(crate) critical: Vec<Under>,
    pub(crate) signals: Vec<Measured>,
}

/// A stretch of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Under {
    pub(crate) span: SpanId,
    pub(crate) from_unix_ns: u64,
    pub(crate) to_unix_ns: u64,
}

impl Under {
    pub(super) fn length_ns(&self) -> u64 {
        self.to_unix_ns.saturating_sub(self.from_unix_ns)
    }
}

/// A signal with its values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    pub(crate) signal: &'static Signal,
    /// `disk=sda`, where the entity has several.
    pub(crate) part: Option<String>,
    pub(crate) start_unix_ms: i64,
    pub(crate) step_ms: i64,
    /// NaN where there is none.
    pub(crate) values: Vec<f64>,
    /// Between what it usually is; none if the hour before says too little.
    pub(crate) usual: Option<(f64, f64)>,
    /// Indexes of values, both ends within.
    pub(crate) abnormal: Vec<(usize, usize)>,
    pub(crate) query: String,
    pub(super) newest_unix_ms: i64,
}

/// Whose signals are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Subject {
    /// By its id.
    Container(String),
    Host(KnownHost),
}

/// What is read of: the grid of the trace, and the hour before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) grid: Grid,
    pub(super) usual: Grid,
}

impl Around {
    /// From pad before the trace to pad after it; what is usual is told by the hour before the trace.
    pub(super) fn new(start_unix_ms: i64, end_unix_ms: i64, pad_ms: i64) -> Self {
        let usual_end = start_unix_ms.saturating_sub(USUAL_GAP_MS);
        Self {
            grid: Grid::over(
                start_unix_ms.saturating_sub(pad_ms),
                end_unix_ms.saturating_add(pad_ms),
            ),
            usual: Grid::stepped(usual_end.saturating_sub(USUAL_MS), usual_end, USUAL_STEP_MS),
        }
    }

    fn range(self) -> (i64, i64) {
        let first = self.grid.start_unix_ms.min(self.usual.start_unix_ms);
        (first.saturating_sub(WINDOW_MS_MAX), self.grid.end_unix_ms())
    }
}

impl Subject {
    fn kind(&self) -> EntityKind {
        match self {
            Self::Container(_) => EntityKind::Container,
            Self::Host(_) => EntityKind::Host,
        }
    }

    pub(super) fn entity(&self) -> EntityId {
        match self {
            Self::Container(id) => EntityId::container(id),
            Self::Host(known) => known.entity.clone(),
        }
    }

    /// The labels by which its series name it, as (name, operator and value, matcher); none if it has none in that way.
    async fn selector(
        &self,
        by: By,
        reader: &mut Reader<'_>,
        around: Around,
    ) -> Result<Selector, Refusal> {
        match (self, by) {
            (Self::Container(id), By::Resource) => {
                Ok(Selector::equal([("container_id", id.as_str())]))
            }
            (Self::Container(id), By::Cadvisor) => {
                Selector::matching("id", format!(".*{}.*", regex::escape(id)))
            }
            (Self::Host(known), By::Resource) => Ok(Selector::equal(host_labels(known))),
            (Self::Host(known), By::NodeExporter) => {
                let Some(name) = &known.host.name else {
                    return Ok(Selector::default());
                };
                // case and domain are the exporter's
                let pattern = format!("(?i){}", regex::escape(name));
                let told = [
                    equal(NAME, "node_uname_info"),
                    matching("nodename", pattern)?,
                ];
                let (from, to) = around.range();
                let found = reader.select(&told, from, to).await?;
                let instances: BTreeSet<&str> =
                    found.iter().map(|one| one.labels.get("instance")).collect();
                let instances = instances
                    .into_iter()
                    .filter(|instance| !instance.is_empty());
                let patterns: Vec<String> = instances.map(regex::escape).collect();
                if patterns.is_empty() {
                    return Ok(Selector::default());
                }
                Selector::matching("instance", patterns.join("|"))
            }
            (Self::Container(_), By::NodeExporter) | (Self::Host(_), By::Cadvisor) => {
                Ok(Selector::default())
            }
        }
    }
}

/// How the series of an entity are found; empty if they are not.
#[derive(Default)]
struct Selector {
    matchers: Vec<Matcher>,
    /// The same as PromQL writes it.
    text: Vec<(String, String)>,
}

impl Selector {
    fn equal<'a>(labels: impl IntoIterator<Item = (&'static str, &'a str)>) -> Self {
        let mut selector = Self::default();
        for (name, value) in labels {
            selector.matchers.push(equal(name, value));
            selector
                .text
                .push((name.to_owned(), format!("={}", quoted(value))));
        }
        selector
    }

    fn matching(name: &str, pattern: String) -> Result<Self, Refusal> {
        Ok(Self {
            text: vec![(name.to_owned(), format!("=~{}", quoted(&pattern)))],
            matchers: vec![matching(name, pattern)?],
        })
    }
}

/// Series of an entity that are found in one way.
struct Found {
    by: By,
    selector: Vec<(String, String)>,
    series: Vec<SeriesData>,
}

/// Every signal of the entity that somebody reports.
pub(super) async fn measure(
    reader: &mut Reader<'_>,
    subject: &Subject,
    around: Around,
) -> Result<Vec<Measured>, Refusal> {
    let mut found = Vec::new();
    for by in [By::Resource, By::Cadvisor, By::NodeExporter] {
        let names = names(subject.kind(), by);
        let selector = subject.selector(by, reader, around).await?;
        if names.is_empty() || selector.matchers.is_empty() {
            continue;
        }
        let mut matchers = vec![one_of(NAME, &names)?];
        matchers.extend(selector.matchers);
        let (from, to) = around.range();
        let series = reader.select(&matchers, from, to).await?;
        found.push(Found {
            by,
            selector: selector.text,
            series,
        });
    }
    let kind = subject.kind();
    crate::work::off_thread(move || {
        Ok(signals::of(kind)
            .flat_map(|signal| measured(signal, &found, around))
            .collect())
    })
    .await
}

/// Names of the metrics that are read in one way.
fn names(kind: EntityKind, by: By) -> Vec<String> {
    let mut names = Vec::new();
    let sources = signals::of(kind).flat_map(|signal| signal.sources);
    for source in sources.filter(|source| source.by == by) {
        source.value.metrics(&mut names);
    }
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

/// The signal by the first source that has data, for each part of the entity.
fn measured(signal: &'static Signal, found: &[Found], around: Around) -> Vec<Measured> {
    for source in signal.sources {
        let Some(found) = found.iter().find(|found| found.by == source.by) else {
            continue;
        };
        let all: Vec<&SeriesData> = found
            .series
            .iter()
            .filter(|one| is_read(&source.value, one))
            .collect();
        let told = match &signal.part {
            None => Vec::from_iter(of_part(signal, source, found, &all, None, around)),
            Some(part) => {
                let of_one = |value: String| {
                    let is = |one: &&SeriesData| {
                        first_label(one, part.labels).is_some_and(|(_, at)| at == value)
                    };
                    let series: Vec<&SeriesData> = all.iter().copied().filter(is).collect();
                    let label = series
                        .first()
                        .and_then(|one| first_label(one, part.labels))?
                        .0;
                    let named = (format!("{}={value}", part.word), (label, value.clone()));
                    of_part(signal, source, found, &series, Some(named), around)
                };
                largest(parts(part, &all).into_iter().filter_map(of_one).collect())
            }
        };
        if !told.is_empty() {
            return told;
        }
    }
    Vec::new()
}

fn is_read(value: &Expression, series: &SeriesData) -> bool {
    match value {
        Expression::Rate(pick) | Expression::Value(pick) => {
            picked(pick, &[series]).next().is_some()
        }
        Expression::Ratio(a, b) => is_read(a, series) || is_read(b, series),
        Expression::Rest(of) => is_read(of, series),
    }
}

/// None if it has no value at all.
fn of_part(
    signal: &'static Signal,
    source: &Source,
    found: &Found,
    series: &[&SeriesData],
    part: Option<(String, (&'static str, String))>,
    around: Around,
) -> Option<Measured> {
    let values = scaled(evaluate(&source.value, series, around.grid)?, source.factor);
    let before = scaled(
        evaluate(&source.value, series, around.usual)?,
        source.factor,
    );
    if !values.iter().chain(&before).any(|value| value.is_finite()) {
        return None;
    }
    let band = Band::of(&before, signal.floor);
    let mut selector = found.selector.clone();
    if let Some((_, (label, value))) = &part {
        selector.push(((*label).to_owned(), format!("={}", quoted(value))));
    }
    let window = series.iter().map(|one| window_ms(one)).max();
    let window = window.unwrap_or(WINDOW_MS);
    Some(Measured {
        signal,
        part: part.map(|(name, _)| name),
        start_unix_ms: around.grid.start_unix_ms,
        step_ms: around.grid.step_ms,
        abnormal: abnormal(signal, &values, band),
        values,
        usual: band.map(|band| (band.low, band.high)),
        query: promql::text(&source.value, source.factor, series, &selector, window),
        newest_unix_ms: series.iter().filter_map(|one| newest(one)).max()?,
    })
}

fn scaled(mut values: Vec<f64>, factor: f64) -> Vec<f64> {
    for value in &mut values {
        *value *= factor;
    }
    values
}

/// The parts with the largest values, abnormal ones first, in order of their names.
fn largest(mut all: Vec<Measured>) -> Vec<Measured> {
    let peak = |one: &Measured| one.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    all.sort_by(|a, b| {
        let bad_first = b.abnormal.len().min(1).cmp(&a.abnormal.len().min(1));
        bad_first
            .then_with(|| peak(b).total_cmp(&peak(a)))
            .then_with(|| a.part.cmp(&b.part))
    });
    all.truncate(PARTS_MAX);
    all.sort_by(|a, b| a.part.cmp(&b.part));
    all
}
