//! `/traces/{id}/infra`: what ran below a trace, on the trace's own axis. Times are ns after its start; before it they are negative.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use telemetry::entity::{EntityId, EntityKind, ParseEntityError};

use super::{Frame, RequestId, json_answer, marked, tenant_of, trace_id};
use crate::Query;
use crate::api::prometheus::marks;
use crate::correlate::{self, Asked, Lane, Measured, Method, PAD_NS_MAX, Strip};
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

const NS_A_MS: i64 = 1_000_000;
/// Entities that one may ask for.
const ENTITIES_MAX: usize = 32;

#[derive(Serialize)]
struct Answer<'a> {
    trace_id: String,
    start_unix_ns: String,
    duration_ns: String,
    /// What is shown.
    from: i64,
    to: i64,
    lanes: Vec<LaneRow<'a>>,
    missing: Vec<MissingRow<'a>>,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct LaneRow<'a> {
    entity: String,
    label: &'a str,
    join: Join,
    critical: Vec<CriticalRow>,
    signals: Vec<SignalRow<'a>>,
}

/// How sure it is that an entity is below.
#[derive(Serialize)]
pub(super) struct Join {
    method: &'static str,
    confidence: f64,
}

impl Join {
    pub(super) fn of(method: Method) -> Self {
        Self {
            method: method.word(),
            confidence: method.confidence(),
        }
    }
}

#[derive(Serialize)]
struct CriticalRow {
    span_id: String,
    from: i64,
    to: i64,
}

/// A signal; `start` and what is abnormal are ns after `origin`.
#[derive(Serialize)]
pub(super) struct SignalRow<'a> {
    signal: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a str>,
    unit: &'static str,
    start: i64,
    step: i64,
    values: Vec<Option<f64>>,
    low: Vec<Option<f64>>,
    high: Vec<Option<f64>>,
    abnormal: Vec<[i64; 2]>,
    query: &'a str,
}

#[derive(Serialize)]
struct MissingRow<'a> {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<&'a str>,
    sentence: &'a str,
}

pub(super) async fn infra(
    State(query): State<Query>,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let id = trace_id::parse(&id).map_err(Refusal::invalid)?;
    let asked = read(&Parameters::of_query(text.as_deref())?)?;
    let tenant = tenant_of(&extensions);
    let found = query.0.sources.find(&tenant, id).await?;
    let found = found.ok_or_else(Refusal::trace_not_found)?;
    let now = query.0.clock.wall();
    let mut marks = marks(&query);
    let mut strip = correlate::strip(&query.0.series, &tenant, found, &asked, now).await?;
    if marks.is_lagging() {
        strip.blame_nobody();
    }
    marks.limited(strip.is_cut);
    let answer = Answer::of(id.to_string(), &strip, Frame::of(&marks, &request_id));
    let mut response = json_answer(&answer)?;
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

/// `pad=50s`, and `entities=container:…` as often as there are, or with commas between.
fn read(parameters: &Parameters) -> Result<Asked, Refusal> {
    let pad_ns = parameters.duration_ns("pad")?;
    if pad_ns.is_some_and(|pad_ns| pad_ns > PAD_NS_MAX) {
        return Err(Refusal::invalid("'pad' is at most 1h"));
    }
    let named = parameters.all("entities").flat_map(|text| text.split(','));
    let named = named.map(str::trim).filter(|text| !text.is_empty());
    let entities: Result<Vec<EntityId>, Refusal> = named.map(lane_of).collect();
    let entities = entities?;
    if entities.len() > ENTITIES_MAX {
        let n = entities.len();
        return Err(Refusal::invalid(format!(
            "'entities' names {n}, at most {ENTITIES_MAX} are shown"
        )));
    }
    Ok(Asked { pad_ns, entities })
}

fn lane_of(text: &str) -> Result<EntityId, Refusal> {
    let told = |why: String| Refusal::invalid(format!("unable to parse param 'entities': {why}"));
    let entity: EntityId = text
        .parse()
        .map_err(|error: ParseEntityError| told(error.to_string()))?;
    match entity.kind() {
        EntityKind::Container | EntityKind::Host => Ok(entity),
        kind => Err(told(format!(
            "lanes are of containers and hosts, not of a {}",
            kind.word()
        ))),
    }
}

/// ns from one moment to another, both since 1970; what lies too far apart is cut.
pub(super) fn after(origin_unix_ns: u64, at_unix_ns: u64) -> i64 {
    let apart = i128::from(at_unix_ns) - i128::from(origin_unix_ns);
    i64::try_from(apart).unwrap_or(if apart < 0 { i64::MIN } else { i64::MAX })
}

impl<'a> Answer<'a> {
    fn of(trace_id: String, strip: &'a Strip, frame: Frame) -> Self {
        let duration_ns = strip.end_unix_ns.saturating_sub(strip.start_unix_ns);
        let pad = i64::try_from(strip.pad_ns).unwrap_or(i64::MAX);
        let lane = |lane: &'a Lane| LaneRow::of(lane, strip.start_unix_ns);
        Self {
            trace_id,
            start_unix_ns: strip.start_unix_ns.to_string(),
            duration_ns: duration_ns.to_string(),
            from: -pad,
            to: after(strip.start_unix_ns, strip.end_unix_ns).saturating_add(pad),
            lanes: strip.lanes.iter().map(lane).collect(),
            missing: strip
                .missing
                .iter()
                .map(|one| MissingRow {
                    code: one.code,
                    entity: one.entity.as_deref(),
                    sentence: &one.sentence,
                })
                .collect(),
            frame,
        }
    }
}

impl<'a> LaneRow<'a> {
    fn of(lane: &'a Lane, origin_unix_ns: u64) -> Self {
        let critical = lane.critical.iter().map(|under| CriticalRow {
            span_id: under.span.to_string(),
            from: after(origin_unix_ns, under.from_unix_ns),
            to: after(origin_unix_ns, under.to_unix_ns),
        });
        let signal = |measured| SignalRow::of(measured, origin_unix_ns);
        Self {
            entity: lane.entity.to_string(),
            label: &lane.label,
            join: Join::of(lane.method),
            critical: critical.collect(),
            signals: lane.signals.iter().map(signal).collect(),
        }
    }
}

impl<'a> SignalRow<'a> {
    pub(super) fn of(measured: &'a Measured, origin_unix_ns: u64) -> Self {
        let start_unix_ns = u64::try_from(measured.start_unix_ms.saturating_mul(NS_A_MS));
        let start = after(origin_unix_ns, start_unix_ns.unwrap_or(0));
        let step = measured.step_ms.saturating_mul(NS_A_MS);
        let at = |idx: usize| {
            let steps = i64::try_from(idx).unwrap_or(i64::MAX);
            start.saturating_add(steps.saturating_mul(step))
        };
        let usual =
            |pick: fn((f64, f64)) -> f64| vec![measured.usual.map(pick); measured.values.len()];
        let finite = |value: &f64| value.is_finite().then_some(*value);
        Self {
            signal: measured.signal.name,
            part: measured.part.as_deref(),
            unit: measured.signal.unit,
            start,
            step,
            values: measured.values.iter().map(finite).collect(),
            low: usual(|(low, _)| low),
            high: usual(|(_, high)| high),
            abnormal: measured
                .abnormal
                .iter()
                // a value tells of the step that ends there
                .map(|(first, last)| [at(*first).saturating_sub(step), at(*last)])
                .collect(),
            query: &measured.query,
        }
    }
}
