//! `/entities/{id}`, `/stack` and `/signals` under it: who an entity is, who calls whom around it, what runs on what, and what it did.
//!
//! Ids have slashes. They may stand in the path as they are, or encoded as one segment. Ids of nodes of the map are ids of entities.

mod calls;

use std::borrow::Cow;

use axum::extract::{Extension, RawQuery, State};
use axum::http::{Extensions, Uri};
use axum::response::Response;
use serde::Serialize;
use service_map::entity::Entity;
use telemetry::entity::{EntityId, EntityKind, ParseEntityError};
use telemetry::{RecordTime, Tenant};

use super::infra::{Join, SignalRow};
use super::services::call::Call;
use super::{Frame, Marks, RequestId, json_answer, marked, tenant_of};
use crate::Query;
use crate::api::prometheus::marks;
use crate::correlate::{self, Relation, Stack};
use crate::map::range::{Range, Until};
use crate::read::parameters::{Parameters, check_range};
use crate::read::time;
use crate::refusal::{Kind, Refusal};
use calls::{OnMap, Red, on_map};

pub(super) const PREFIX: &str = "/api/tracewell/v1/entities/";
/// Range of a question that says nothing of time: the last hour.
const RANGE_NS: u64 = 3_600 * 1_000_000_000;
const NS_A_MS: u64 = 1_000_000;

/// What of an entity is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    All,
    Stack,
    Signals,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    entity: Named<'a>,
    /// Times of signals are ns after `from`.
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    relations: Option<Vec<RelationRow<'a>>>,
    /// Every entity of the stack, from the services down to the hosts, with what is directly below.
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Level<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signals: Option<Vec<SignalRow<'a>>>,
    /// Requests, of what stands on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    red: Option<&'a Red>,
    /// Why there is nothing below it, if nothing can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_empty: Option<String>,
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct Named<'a> {
    id: String,
    kind: &'static str,
    label: Cow<'a, str>,
}

/// A relation as the asked entity sees it.
#[derive(Serialize)]
struct RelationRow<'a> {
    /// `calls` and `called_by`; `runs_on` downwards, `runs` upwards.
    relation: &'static str,
    #[serde(flatten)]
    entity: Named<'a>,
    #[serde(flatten)]
    held: Option<Held>,
    #[serde(flatten)]
    call: Option<&'a Call>,
}

#[derive(Serialize)]
struct Level<'a> {
    #[serde(flatten)]
    entity: Named<'a>,
    runs_on: Vec<Below>,
}

#[derive(Serialize)]
struct Below {
    id: String,
    #[serde(flatten)]
    held: Held,
}

/// How sure a relation is, and for which time.
#[derive(Serialize)]
struct Held {
    join: Join,
    from: String,
    to: String,
}

/// What is asked of an entity.
struct Asked {
    what: What,
    from_ns: u64,
    /// Unix ms.
    range: (i64, i64),
    now: RecordTime,
    tenant: Tenant,
    request_id: RequestId,
}

pub(super) async fn entity(
    State(query): State<Query>,
    uri: Uri,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let (ids, what) = read_path(uri.path())?;
    let now = query.0.clock.wall();
    let (from_ns, to_ns) = range(&Parameters::of_query(text.as_deref())?, now)?;
    let ms = |ns: u64| i64::try_from(ns / NS_A_MS).unwrap_or(i64::MAX);
    let asked = Asked {
        what,
        from_ns,
        range: (ms(from_ns), ms(to_ns)),
        now,
        tenant: tenant_of(&extensions),
        request_id,
    };
    let mut unknown = None;
    for id in ids {
        match asked.answer(&query, &id).await {
            Err(refusal) if refusal.kind == Kind::NotFound => {
                unknown.get_or_insert(refusal);
            }
            found => return found,
        }
    }
    Err(unknown.unwrap_or_else(|| Refusal::new(Kind::NotFound, "no entity is named")))
}

impl Asked {
    async fn answer(&self, query: &Query, id: &EntityId) -> Result<Response, Refusal> {
        let mut marks = marks(query);
        let on_map = self.on_map(query, id, &mut marks).await?;
        let stack = self.stack(query, id, on_map.is_some()).await?;
        marks.limited(stack.is_cut || on_map.as_ref().is_some_and(|node| node.is_cut));
        let signal = |one| SignalRow::of(one, self.from_ns);
        let (what, until) = (self.what, self.times().1);
        let answer = Answer {
            entity: named(&stack, &stack.entity),
            from: at(self.range.0),
            to: at(self.range.1),
            relations: (what == What::All).then(|| relations(&stack, on_map.as_ref(), until)),
            items: (what == What::Stack).then(|| levels(&stack, until)),
            signals: (what != What::Stack).then(|| stack.signals.iter().map(signal).collect()),
            red: on_map.as_ref().map(|node| &node.red),
            why_empty: (!has_stack(id)).then(|| why_empty(id)),
            frame: Frame {
                ui: on_map.as_ref().map(|node| ui(&node.entity, self.range)),
                ..Frame::of(&marks, &self.request_id)
            },
        };
        let mut response = json_answer(&answer)?;
        marked(query, &marks, response.headers_mut());
        Ok(response)
    }

    /// The node that it is on the map, where that is asked for or all that can be known.
    async fn on_map(
        &self,
        query: &Query,
        id: &EntityId,
        marks: &mut Marks,
    ) -> Result<Option<OnMap>, Refusal> {
        if self.what != What::All && has_stack(id) {
            return Ok(None);
        }
        on_map(query, &self.tenant, id, self.times(), marks).await
    }

    fn times(&self) -> (Range, Until) {
        let (from_ms, to_ms) = self.range;
        let range = Range { from_ms, to_ms };
        (range, range.until(self.now))
    }

    async fn stack(&self, query: &Query, id: &EntityId, is_on_map: bool) -> Result<Stack, Refusal> {
        let series = &query.0.series;
        let with_signals = self.what != What::Stack;
        let found = if has_stack(id) {
            correlate::stack(series, &self.tenant, id, self.range, with_signals).await
        } else {
            let text =
                format!("nothing is known of {id} in this range; try another `from` and `to`");
            Err(Refusal::new(Kind::NotFound, text))
        };
        match found {
            // a service whose spans say nothing of where they come from, or what nobody tells of
            Err(refusal) if refusal.kind == Kind::NotFound && is_on_map => Ok(Stack::of(id)),
            found => found,
        }
    }
}

/// Whether anybody tells on what such an entity runs.
fn has_stack(id: &EntityId) -> bool {
    !matches!(
        id.kind(),
        EntityKind::Database | EntityKind::Queue | EntityKind::External | EntityKind::User
    )
}

fn why_empty(id: &EntityId) -> String {
    format!(
        "no probe tells yet on what a {} runs: there is nothing below it, and it has no signals but its requests",
        word(id.kind())
    )
}

/// A kind as answers name it.
fn word(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Database => "database",
        kind => kind.word(),
    }
}

/// The map around it.
fn ui(entity: &Entity, (from_ms, to_ms): (i64, i64)) -> String {
    let focus: String = form_urlencoded::byte_serialize(entity.to_string().as_bytes()).collect();
    format!("/ui/map?t={}..{}&focus={focus}", at(from_ms), at(to_ms))
}

/// The ids that a path may mean: as it stands, and decoded once more. Clients that encode a segment leave `:` as it is or do not.
fn read_path(path: &str) -> Result<(Vec<EntityId>, What), Refusal> {
    let text = path.strip_prefix(PREFIX).unwrap_or(path);
    let (text, what) = [("/stack", What::Stack), ("/signals", What::Signals)]
        .into_iter()
        .find_map(|(end, what)| Some((text.strip_suffix(end)?, what)))
        .unwrap_or((text, What::All));
    let as_it_is: Result<EntityId, ParseEntityError> = text.parse();
    // `+` stays: it is no space in a path
    let once = text.replace('+', "%2B");
    let pair = form_urlencoded::parse(once.as_bytes()).next();
    let decoded = pair.and_then(|(key, _)| key.parse().ok());
    let mut ids: Vec<EntityId> = as_it_is.iter().cloned().chain(decoded).collect();
    ids.dedup();
    match as_it_is {
        Err(error) if ids.is_empty() => Err(Refusal::invalid(error.to_string())),
        _ => Ok((ids, what)),
    }
}

fn range(parameters: &Parameters, now: RecordTime) -> Result<(u64, u64), Refusal> {
    let now_unix_ns = time::unix_ns(now);
    let read = |name: &str| {
        let text = parameters.text(name);
        text.map(|text| time::own_unix_ns(name, text, now_unix_ns))
            .transpose()
    };
    let to = read("to")?.unwrap_or(now_unix_ns);
    let from = read("from")?.unwrap_or_else(|| to.saturating_sub(RANGE_NS));
    check_range(from, to)?;
    Ok((from, to))
}

fn at(unix_ms: i64) -> String {
    time::rfc3339(RecordTime { unix_ms })
}

fn named<'a>(stack: &'a Stack, id: &'a EntityId) -> Named<'a> {
    Named {
        id: id.to_string(),
        kind: word(id.kind()),
        label: Cow::Borrowed(stack.labels.get(id).map_or(id.label(), String::as_str)),
    }
}

impl Held {
    fn of(relation: &Relation, until: Until) -> Self {
        Self {
            join: Join::of(relation.method),
            from: until.text(relation.from_unix_ms),
            to: until.text(relation.to_unix_ms),
        }
    }
}

/// The neighbours of the entity: whom it calls and who calls it, then what it runs on and what runs on it.
fn relations<'a>(
    stack: &'a Stack,
    on_map: Option<&'a OnMap>,
    until: Until,
) -> Vec<RelationRow<'a>> {
    let calls = on_map.map_or(&[][..], |node| &node.calls).iter();
    let calls = calls.map(|one| RelationRow {
        relation: one.relation,
        entity: Named {
            id: one.entity.to_string(),
            kind: one.entity.kind.word(),
            label: Cow::Borrowed(&one.entity.name),
        },
        held: None,
        call: Some(&one.call),
    });
    let row = |relation, id, of| RelationRow {
        relation,
        entity: named(stack, id),
        held: Some(Held::of(of, until)),
        call: None,
    };
    let neighbour = |one: &&Relation| one.upper == stack.entity || one.lower == stack.entity;
    let neighbours = stack.relations.iter().filter(neighbour);
    let runs = neighbours.map(|one| {
        if one.upper == stack.entity {
            row("runs_on", &one.lower, one)
        } else {
            row("runs", &one.upper, one)
        }
    });
    calls.chain(runs).collect()
}

fn levels(stack: &Stack, until: Until) -> Vec<Level<'_>> {
    let mut all: Vec<&EntityId> = stack
        .relations
        .iter()
        .flat_map(|one| [&one.upper, &one.lower])
        .chain([&stack.entity])
        .collect();
    all.sort_unstable();
    all.dedup();
    let below = |id: &EntityId| {
        let of_id = stack.relations.iter().filter(|one| one.upper == *id);
        let below = of_id.map(|one| Below {
            id: one.lower.to_string(),
            held: Held::of(one, until),
        });
        below.collect()
    };
    all.into_iter()
        .map(|id| Level {
            entity: named(stack, id),
            runs_on: below(id),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_the_path_as_they_are_or_as_one_segment() {
        #[track_caller]
        fn check(path: &str, ids: &str, what: What) {
            let (found, of) = read_path(&format!("{PREFIX}{path}")).expect(path);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!((&*found.join(" "), of), (ids, what), "{path}");
        }
        let id = "service:prod/shop/a";
        check(id, id, What::All);
        check("service:prod/shop/a/stack", id, What::Stack);
        check("service%3Aprod%2Fshop%2Fa/stack", id, What::Stack);
        check(
            "service:prod%2Fshop%2Fa",
            "service:prod%2Fshop%2Fa service:prod/shop/a",
            What::All,
        );
        check("host:a%2Fb", "host:a%2Fb host:a/b", What::All);
        check("host%3Aa%252Fb/signals", "host:a%2Fb", What::Signals);
        check("host:a+b", "host:a+b", What::All);
        check("host%3Aa+b", "host:a+b", What::All);
        check("service:cart", "service:cart", What::All);
        check("service%3Ashop%252Fcart", "service:shop%2Fcart", What::All);
        check("user:user", "user:user", What::All);
        assert!(read_path(&format!("{PREFIX}nonsense")).is_err());
    }
}
