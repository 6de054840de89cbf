//! `/services/{s}/dependencies` and `/databases`: who calls a service, and whom it calls.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;
use service_map::entity::{Entity, Kind as EntityKind};
use service_map::graph::measure::Measure;
use service_map::graph::{Edge, Graph, Node};

use super::call::Call;
use super::numbers::Change;
use super::sorted::{Key, Page, Sort};
use super::{Asked, answer, reproduced, unknown};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::environment::Environment;
use crate::map::range::{Range, Until, WEEK_MS};
use crate::map::rows::{Rows, rows, tally};
use crate::map::tally::Tally;
use crate::refusal::Refusal;
use crate::work::off_thread;

#[derive(Debug, Serialize)]
struct Dependency {
    #[serde(skip)]
    entity: Entity,
    /// `caller` or `callee`: what the other one is.
    direction: &'static str,
    id: String,
    kind: &'static str,
    name: String,
    #[serde(flatten)]
    call: Call,
    change: Option<Change>,
}

pub(super) async fn dependencies(
    query: State<Query>,
    name: Path<String>,
    text: RawQuery,
    request_id: Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    listed(query, name, text, request_id, extensions, |_| true).await
}

pub(super) async fn databases(
    query: State<Query>,
    name: Path<String>,
    text: RawQuery,
    request_id: Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let is_database = |kind| kind == EntityKind::Database;
    listed(query, name, text, request_id, extensions, is_database).await
}

async fn listed(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
    is_wanted: impl Fn(EntityKind) -> bool + Send + 'static,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Rate)?;
    let mut marks = marks(&query);
    let (range, until) = (asked.range, asked.until);
    let rows = rows(&query, &asked.tenant, range, &mut marks).await?;
    let before = tally(&query, &asked.tenant, range.before(WEEK_MS), None).await?;
    let ui = format!("/ui/services/{name}");
    let queries = reproduced::calls(&name, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    let env = asked.env.clone();
    let items = off_thread(move || {
        let before = Rows::of(&before, &Tally::default()).graph();
        let graph = rows.graph();
        let there = Environment::of(env.as_deref(), &[&graph]);
        if !there.has(&Entity::service(&name)) {
            return Err(unknown(&name, env.as_deref()));
        }
        let mut items = of_service(&graph, &before, &name, (range, until))?;
        items.retain(|(_, item)| there.has(&item.entity));
        items.retain(|(kind, _)| is_wanted(*kind));
        Ok(items.into_iter().map(|(_, item)| item).collect::<Vec<_>>())
    })
    .await?;
    let key = |item: &Dependency| Key {
        name: format!("{} {}", item.direction, item.id),
        rate: item.call.numbers.rate,
        error_ratio: item.call.numbers.error_ratio,
        p95: item.call.numbers.p95,
        total_s: item.call.numbers.total_s,
        state: item.call.state,
    };
    answer(&query, &marks, page.of(items, key), frame)
}

fn of_service(
    graph: &Graph,
    before: &Graph,
    name: &str,
    times: (Range, Until),
) -> Result<Vec<(EntityKind, Dependency)>, Refusal> {
    let service = Entity::service(name);
    if graph.find(&service).is_none() {
        return Err(unknown(name, None));
    }
    let mut items = Vec::new();
    for (from, to, edge) in graph.edges() {
        let measure = before.measure(&from.entity, &to.entity);
        if from.entity == service {
            let item = Dependency::of("callee", to, (to, edge), measure, times);
            items.push((to.entity.kind, item));
        }
        if to.entity == service {
            let item = Dependency::of("caller", from, (to, edge), measure, times);
            items.push((from.entity.kind, item));
        }
    }
    Ok(items)
}

impl Dependency {
    fn of(
        direction: &'static str,
        other: &Node,
        (callee, edge): (&Node, &Edge),
        before: Option<&Measure>,
        times: (Range, Until),
    ) -> Self {
        let call = Call::of(callee.entity.kind, edge, times);
        Self {
            entity: other.entity.clone(),
            direction,
            id: other.entity.to_string(),
            kind: other.entity.kind.word(),
            name: other.entity.name.clone(),
            change: call.numbers.change(before, times.0),
            call,
        }
    }
}
