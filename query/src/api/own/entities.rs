//! `/entities/{id}`, `/stack` and `/signals` under it: who an entity is, what runs on what, and what it did.
//!
//! Ids have slashes. They may stand in the path as they are, or encoded as one segment.

use axum::extract::{Extension, RawQuery, State};
use axum::http::{Extensions, Uri};
use axum::response::Response;
use serde::Serialize;
use telemetry::RecordTime;
use telemetry::entity::{EntityId, ParseEntityError};

use super::infra::{Join, SignalRow};
use super::{Frame, Marks, RequestId, json_answer, marked, tenant_of};
use crate::Query;
use crate::correlate::{self, Relation, Stack};
use crate::read::parameters::{Parameters, check_range};
use crate::read::time;
use crate::refusal::Refusal;

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
    #[serde(flatten)]
    frame: Frame,
}

#[derive(Serialize)]
struct Named<'a> {
    id: String,
    kind: &'static str,
    label: &'a str,
}

/// A relation as the asked entity sees it.
#[derive(Serialize)]
struct RelationRow<'a> {
    /// `runs_on` downwards, `runs` upwards.
    relation: &'static str,
    #[serde(flatten)]
    entity: Named<'a>,
    #[serde(flatten)]
    held: Held,
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

pub(super) async fn entity(
    State(query): State<Query>,
    uri: Uri,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let (id, what) = read_path(uri.path())?;
    let now = query.0.clock.wall();
    let (from_ns, to_ns) = range(&Parameters::of_query(text.as_deref())?, now)?;
    let ms = |ns: u64| i64::try_from(ns / NS_A_MS).unwrap_or(i64::MAX);
    let tenant = tenant_of(&extensions);
    let range = (ms(from_ns), ms(to_ns));
    let with_signals = what != What::Stack;
    let stack = correlate::stack(&query.0.series, &tenant, &id, range, with_signals).await?;
    let marks = Marks {
        partial: Vec::from_iter(stack.is_cut.then_some("limit")),
        complete_to: None,
    };
    let signals = stack.signals.iter().map(|one| SignalRow::of(one, from_ns));
    let answer = Answer {
        entity: named(&stack, &stack.entity),
        from: at(range.0),
        to: at(range.1),
        relations: (what == What::All).then(|| relations(&stack)),
        items: (what == What::Stack).then(|| levels(&stack)),
        signals: with_signals.then(|| signals.collect()),
        frame: Frame::of(&marks, &request_id),
    };
    let mut response = json_answer(&answer)?;
    marked(&query, &marks, response.headers_mut());
    Ok(response)
}

fn read_path(path: &str) -> Result<(EntityId, What), Refusal> {
    let text = path.strip_prefix(PREFIX).unwrap_or(path);
    let (text, what) = [("/stack", What::Stack), ("/signals", What::Signals)]
        .into_iter()
        .find_map(|(end, what)| Some((text.strip_suffix(end)?, what)))
        .unwrap_or((text, What::All));
    let as_it_is: Result<EntityId, ParseEntityError> = text.parse();
    let id = as_it_is.or_else(|error| {
        // `+` stays: it is no space in a path
        let once = text.replace('+', "%2B");
        let pair = form_urlencoded::parse(once.as_bytes()).next();
        let decoded = pair.and_then(|(key, _)| key.parse().ok());
        decoded.ok_or(error)
    });
    let id = id.map_err(|error| Refusal::invalid(error.to_string()))?;
    Ok((id, what))
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
        kind: id.kind().word(),
        label: stack.labels.get(id).map_or(id.label(), String::as_str),
    }
}

impl Held {
    fn of(relation: &Relation) -> Self {
        Self {
            join: Join::of(relation.method),
            from: at(relation.from_unix_ms),
            to: at(relation.to_unix_ms),
        }
    }
}

/// The neighbours of the entity.
fn relations(stack: &Stack) -> Vec<RelationRow<'_>> {
    let row = |relation, id, of| RelationRow {
        relation,
        entity: named(stack, id),
        held: Held::of(of),
    };
    let neighbour = |one: &'_ Relation| one.upper == stack.entity || one.lower == stack.entity;
    let neighbours = stack.relations.iter().filter(|one| neighbour(one));
    neighbours
        .map(|one| {
            if one.upper == stack.entity {
                row("runs_on", &one.lower, one)
            } else {
                row("runs", &one.upper, one)
            }
        })
        .collect()
}

fn levels(stack: &Stack) -> Vec<Level<'_>> {
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
            held: Held::of(one),
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
        for (path, id, what) in [
            ("service:prod/shop/a", "service:prod/shop/a", What::All),
            (
                "service:prod/shop/a/stack",
                "service:prod/shop/a",
                What::Stack,
            ),
            (
                "service%3Aprod%2Fshop%2Fa/stack",
                "service:prod/shop/a",
                What::Stack,
            ),
            ("service:prod%2Fshop%2Fa", "service:prod/shop/a", What::All),
            ("host:a%2Fb", "host:a%2Fb", What::All),
            ("host%3Aa%252Fb/signals", "host:a%2Fb", What::Signals),
            ("host:a+b", "host:a+b", What::All),
            ("host%3Aa+b", "host:a+b", What::All),
        ] {
            let found = read_path(&format!("{PREFIX}{path}")).expect(path);
            assert_eq!(
                (found.0.to_string(), found.1),
                (id.to_owned(), what),
                "{path}"
            );
        }
        assert!(read_path(&format!("{PREFIX}nonsense")).is_err());
    }
}
