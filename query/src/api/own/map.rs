//! The service map: `/map`, `/map/diff`, `/map/frames`. In: a time or a range, and what is wanted of it. Out: nodes and edges with their numbers and places.
//!
//! The same data and parameters give the same bytes, so an answer has an `ETag` and no request id in its body.

mod asked;
mod compare;
mod empty;
mod film;
mod shown;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use service_map::graph::cluster::{Picture, Plan};
use service_map::layout::{Layout, Sketch};
use xxhash_rust::xxh3::xxh3_64;

use super::Frame;
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::{json_bytes, marked, tenant_of};
use crate::map::range::Range;
use crate::map::rows::rows;
use crate::read::parameters::Parameters;
use crate::read::time;
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;
use crate::work::off_thread;
use asked::Asked;
use shown::Shown;

pub(super) fn routes() -> Router<Query> {
    Router::new()
        .route("/api/tracewell/v1/map", get(map))
        .route("/api/tracewell/v1/map/diff", get(compare::diff))
        .route("/api/tracewell/v1/map/frames", get(film::frames))
}

async fn map(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let parameters = Parameters::of_query(text.as_deref())?;
    let now = query.0.clock.wall();
    let asked = Asked::read(&parameters, &query.0.map, time::unix_ns(now))?;
    let tenant = tenant_of(&extensions);
    let mut marks = marks_to(&query, asked.range);
    let rows = rows(&query, &tenant, asked.range, &mut marks).await?;
    let choice = asked.choice();
    let known = query.0.maps.communities(&tenant, asked.range.scale());
    let (picture, found, n_entities, n_refused) = off_thread(move || {
        let graph = rows.graph();
        let plan = Plan::of(&graph, &choice, known);
        let found = plan.communities().clone();
        Ok((plan.draw(&graph), found, graph.n_nodes(), graph.n_refused()))
    })
    .await?;
    if !asked.is_filtered() {
        let scale = asked.range.scale();
        query.0.maps.note_communities(tenant.clone(), scale, found);
    }
    marks.limited(n_refused > 0);
    let why_empty = if picture.nodes.is_empty() {
        Some(empty::why(&query, &tenant, &asked, n_entities).await?)
    } else {
        None
    };
    let layout = laid_out(&query, &tenant, &asked, &picture, now.unix_ms).await?;
    let frame = Frame {
        queries: asked::queries(asked.range),
        ui: Some(asked.ui()),
        ..Frame::shared(&marks)
    };
    let shown = off_thread(move || {
        let shown = Shown::of(&picture, layout.as_ref(), asked.range, why_empty, frame);
        written(&shown)
    })
    .await?;
    Ok(versioned(&query, &marks, shown, &headers))
}

/// How complete an answer of a range is. What lies behind its end makes it no more complete.
fn marks_to(query: &Query, range: Range) -> Marks {
    let mut marks = marks(query);
    if let Some(at) = &mut marks.complete_to {
        at.unix_ms = at.unix_ms.min(range.to_ms);
    }
    marks
}

async fn laid_out(
    query: &Query,
    tenant: &telemetry::Tenant,
    asked: &Asked,
    picture: &Picture,
    now_unix_ms: i64,
) -> Result<Option<Layout>, Refusal> {
    if !asked.layout {
        return Ok(None);
    }
    let sketch = Sketch::of(picture, asked.range.seconds());
    let view = asked.view(tenant);
    let layout = query.0.maps.shelf.layout(view, sketch, now_unix_ms).await?;
    Ok(Some(layout))
}

/// An object as JSON.
fn written(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|error| {
        let text = format!("the answer could not be written: {error}");
        Refusal::new(Kind::Internal, text)
    })
}

/// Puts the version, which is a hash of everything else, in front; 304 if that is what the asker has.
fn versioned(query: &Query, marks: &Marks, body: Vec<u8>, asked: &HeaderMap) -> Response {
    let version = format!("{:016x}", xxh3_64(&body));
    let tag = format!("\"{version}\"");
    let known = asked.get_all(header::IF_NONE_MATCH).iter();
    let is_known = known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut bytes = format!("{{\"version\":\"{version}\",").into_bytes();
        bytes.extend_from_slice(body.strip_prefix(b"{").unwrap_or(&body));
        json_bytes(StatusCode::OK, bytes)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    marked(query, marks, response.headers_mut());
    response
}
