//! Services with their numbers: `/services` and what lies under one of them. In: a range, a name. Out: rows; every number is counted before sampling, or
//! says that it is an estimate.

pub(super) mod call;
mod count;
mod dependencies;
mod errors;
mod evidence;
mod examples;
mod fault;
mod group;
mod instances;
pub(super) mod numbers;
mod operations;
mod reproduced;
mod shares;
mod sorted;

use axum::Router;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use service_map::entity::Entity;
use service_map::graph::measure::quantile;
use service_map::graph::rows::ServiceRow;
use service_map::graph::state::judge;
use service_map::graph::{Direction, Graph, NodeIndex};
use service_map::reach::blast_radius;
use telemetry::{RecordTime, Tenant};

use super::{Frame, Reproduced};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::api::{json_answer, marked, tenant_of};
use crate::map::environment::Environment;
use crate::map::range::{Range, Until, WEEK_MS};
use crate::map::rows::rows;
use crate::map::spans::{By, Groups, grouped};
use crate::map::tally::INSTANCE_SECONDS;
use crate::read::parameters::{Parameters, shortened};
use crate::read::time;
use crate::refusal::{Kind, Refusal};
use crate::trace::found::Marks;
use crate::work::off_thread;
use numbers::Numbers;
use sorted::{Page, Sort};

pub(super) fn routes() -> Router<Query> {
    let under = |what: &str| format!("/api/tracewell/v1/services/{{service}}/{what}");
    Router::new()
        .route("/api/tracewell/v1/services", get(services))
        .route("/api/tracewell/v1/services/{service}", get(service))
        .route(&under("operations"), get(operations::operations))
        .route(&under("dependencies"), get(dependencies::dependencies))
        .route(&under("databases"), get(dependencies::databases))
        .route(&under("instances"), get(instances::instances))
        .route(&under("deployments"), get(instances::deployments))
        .route(&under("errors"), get(errors::errors))
        .route(&under("examples"), get(examples::examples))
}

/// Labels of the list of services.
const BY_SERVICE: By = &["service_name"];

/// A list of rows.
#[derive(Serialize)]
struct Many<T> {
    items: Vec<T>,
    /// Rows in all pages.
    total: usize,
    #[serde(flatten)]
    frame: Frame,
}

/// One service.
#[derive(Debug, Clone, Serialize)]
struct Item {
    name: String,
    namespace: Option<String>,
    envs: Vec<String>,
    #[serde(flatten)]
    numbers: Numbers,
    p95_base: Option<f64>,
    state: &'static str,
    state_rule: Option<&'static str>,
    versions: Vec<String>,
    instances: usize,
    last_seen: Option<String>,
}

/// One service with its place among others.
#[derive(Serialize)]
struct One {
    #[serde(flatten)]
    item: Item,
    callers: usize,
    callees: usize,
    /// Services and users that wait for it, directly or through others.
    blast_radius: usize,
    #[serde(flatten)]
    frame: Frame,
}

impl Item {
    fn of(row: &ServiceRow, range: Range, until: Until) -> Self {
        let verdict = judge(&row.now, &row.base);
        Self {
            name: row.name.clone(),
            namespace: Some(row.namespace.clone()).filter(|name| !name.is_empty()),
            envs: row.environments.iter().cloned().collect(),
            numbers: Numbers::of(&row.now, range),
            p95_base: quantile(row.base.durations(), 0.95),
            state: verdict.state.word(),
            state_rule: verdict.rule,
            versions: row.versions.iter().cloned().collect(),
            instances: row.instances.len(),
            last_seen: row.last_seen_unix_ms.map(|unix_ms| until.text(unix_ms)),
        }
    }
}

impl One {
    /// Among those of an environment, or among all.
    fn of(item: Item, graph: &Graph, env: Option<&str>, frame: Frame) -> Self {
        let there = Environment::of(env, &[graph]);
        let is_there = |at: &NodeIndex| {
            let node = graph.node(*at);
            node.is_some_and(|node| there.has(&node.entity))
        };
        let at = graph.find(&Entity::service(&item.name));
        let next = |direction| {
            let all = at.map(|at| graph.inner().neighbors_directed(at, direction));
            all.into_iter().flatten().filter(is_there).count()
        };
        let waiting = at.map(|at| blast_radius(graph, at)).unwrap_or_default();
        Self {
            item,
            callers: next(Direction::Incoming),
            callees: next(Direction::Outgoing),
            blast_radius: waiting.iter().filter(|at| is_there(at)).count(),
            frame,
        }
    }
}

async fn services(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Name)?;
    let wanted = asked
        .parameters
        .text("q")
        .unwrap_or_default()
        .to_lowercase();
    let env = asked.env.clone();
    let mut marks = marks(&query);
    let rows = rows(&query, &asked.tenant, asked.range, &mut marks).await?;
    let (range, until) = (asked.range, asked.until);
    let items: Vec<Item> = off_thread(move || {
        let is_wanted = |row: &&ServiceRow| {
            row.name.to_lowercase().contains(&wanted)
                && env
                    .as_ref()
                    .is_none_or(|env| row.environments.contains(env))
        };
        let rows = rows.services.iter().filter(is_wanted);
        Ok(rows.map(|row| Item::of(row, range, until)).collect())
    })
    .await?;
    let key = |item: &Item| sorted::Key {
        state: item.state,
        ..sorted::Key::of(item.name.clone(), &item.numbers)
    };
    let queries = reproduced::requests(INSTANCE_SECONDS, BY_SERVICE, &[], range);
    let frame = asked.frame(&marks, &request_id, queries, "/ui/services");
    answer(&query, &marks, page.of(items, key), frame)
}

async fn service(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let mut marks = marks(&query);
    let rows = rows(&query, &asked.tenant, asked.range, &mut marks).await?;
    let ui = format!("/ui/services/{name}");
    let (range, until) = (asked.range, asked.until);
    let labels = [("service_name", name.as_str())];
    let queries = reproduced::requests(INSTANCE_SECONDS, BY_SERVICE, &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    let env = asked.env.clone();
    let one = off_thread(move || {
        let env = env.as_deref();
        let row = rows.services.iter().find(|row| row.name == name);
        let row = row.filter(|row| env.is_none_or(|env| row.environments.contains(env)));
        let row = row.ok_or_else(|| unknown(&name, env))?;
        let item = Item::of(row, range, until);
        Ok(One::of(item, &rows.graph(), env, frame))
    })
    .await?;
    let mut response = json_answer(&one)?;
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

fn unknown(name: &str, env: Option<&str>) -> Refusal {
    let there = env.map_or_else(String::new, |env| {
        format!(" in environment {:?}", shortened(env))
    });
    let text = format!(
        "no service {:?} was heard of in this range{there}; /api/tracewell/v1/services lists those that were",
        shortened(name)
    );
    Refusal::new(Kind::NotFound, text)
}

/// What all lists of services are asked.
struct Asked {
    parameters: Parameters,
    tenant: Tenant,
    range: Range,
    until: Until,
    /// The environment that is meant; none for all.
    env: Option<String>,
}

impl Asked {
    fn read(query: &Query, text: Option<&str>, extensions: &Extensions) -> Result<Self, Refusal> {
        let parameters = Parameters::of_query(text)?;
        let now = query.0.clock.wall();
        let range = Range::of_list(&parameters, time::unix_ns(now))?;
        Ok(Self {
            env: parameters.text("env").map(str::to_owned),
            parameters,
            tenant: tenant_of(extensions),
            range,
            until: range.until(now),
        })
    }

    /// Labels of series of a service's spans.
    fn labels<'a>(&'a self, service: &'a str) -> Vec<(&'a str, &'a str)> {
        let env = self.env.as_deref();
        let env = env.map(|env| ("deployment_environment", env));
        [("service_name", service)].into_iter().chain(env).collect()
    }

    /// What a service did in the range, and in the same range of the week before.
    async fn compared(
        &self,
        query: &Query,
        metric: &'static str,
        labels: &[(&str, &str)],
        by: By,
        marks: &mut Marks,
    ) -> Result<(Groups, Groups), Refusal> {
        let read = |range, live| grouped(query, &self.tenant, metric, labels, by, range, live);
        let now = read(self.range, Some(marks)).await?;
        let before = read(self.range.before(WEEK_MS), None).await?;
        Ok((now, before))
    }

    fn frame(
        &self,
        marks: &Marks,
        request_id: &RequestId,
        queries: Vec<Reproduced>,
        ui: &str,
    ) -> Frame {
        let at = |unix_ms| time::rfc3339(RecordTime { unix_ms });
        let (from, to) = (at(self.range.from_ms), at(self.range.to_ms));
        Frame {
            queries,
            ui: Some(format!("{ui}?t={from}..{to}")),
            ..Frame::of(marks, request_id)
        }
    }
}

fn answer<T: Serialize>(
    query: &Query,
    marks: &Marks,
    (items, total, next_cursor): (Vec<T>, usize, Option<String>),
    frame: Frame,
) -> Result<Response, Refusal> {
    let frame = Frame {
        next_cursor,
        ..frame
    };
    let mut response = json_answer(&Many {
        items,
        total,
        frame,
    })?;
    marked(query, marks, response.headers_mut());
    Ok(response)
}
