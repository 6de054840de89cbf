//! Traces as they come: server-sent events. Each trace is sent as `trace` when it is first seen, usually before it is complete, and as
//! `decided` when sampling has kept or dropped it. `progress` says what is in the way.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;

use axum::extract::{RawQuery, State};
use axum::http::Extensions;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use telemetry::{Tenant, TraceId};
use tokio::sync::OwnedSemaphorePermit;
use trace_store::Filter;

use super::list::{self, Item};
use crate::Query;
use crate::api::tenant_of;
use crate::live::LiveTrace;
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;
use crate::trace::found::{Found, State as TraceState};
use crate::work::off_thread;

/// Live traces that one look takes at most.
const LOOK_MAX: usize = 1_000;
/// Traces that a tail remembers having sent. Older ones are sent again if they still live.
const SEEN_MAX: usize = 20_000;

pub(super) async fn stream(
    State(query): State<Query>,
    RawQuery(text): RawQuery,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let filter = list::conditions(&Parameters::of_query(text.as_deref())?)?;
    let turn = query.0.gate.tail()?;
    let tail = Tail {
        tenant: tenant_of(&extensions),
        filter,
        query,
        seen: Seen::default(),
        due: VecDeque::new(),
        looked: false,
        _turn: turn,
    };
    let events = Sse::new(tail.events()).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

struct Tail {
    query: Query,
    tenant: Tenant,
    filter: Filter,
    seen: Seen,
    due: VecDeque<Event>,
    looked: bool,
    _turn: OwnedSemaphorePermit,
}

impl Tail {
    /// Ends when the server stops; before that, whoever asked goes away.
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, async |mut tail| {
            loop {
                if let Some(event) = tail.due.pop_front() {
                    return Some((Ok(event), tail));
                }
                if std::mem::replace(&mut tail.looked, true) {
                    tokio::time::sleep(tail.query.0.config.tail_interval).await;
                }
                if tail.query.0.gate.tails_ended() {
                    return None;
                }
                if let Err(refusal) = tail.look().await {
                    tail.due.extend(progress("waiting", &refusal.text));
                }
            }
        })
    }

    async fn look(&mut self) -> Result<(), Refusal> {
        let page = self
            .query
            .0
            .sources
            .live
            .search(&self.tenant, &self.filter, LOOK_MAX)
            .await?;
        if page.traces.len() == LOOK_MAX {
            self.due.extend(progress("partial", "limit"));
        }
        // Newest last, as a reader of lines expects it.
        let fresh: Vec<_> = page
            .traces
            .into_iter()
            .rev()
            .filter_map(|trace| Some((self.seen.news(&trace)?, trace)))
            .collect();
        if !fresh.is_empty() {
            let written = move || {
                Ok(fresh
                    .into_iter()
                    .filter_map(|(name, trace)| event(name, trace))
                    .collect::<Vec<_>>())
            };
            self.due.extend(off_thread(written).await?);
        }
        Ok(())
    }
}

fn event(name: &'static str, trace: LiveTrace) -> Option<Event> {
    let found = Found {
        id: trace.id,
        traces_data: trace.traces_data,
        state: trace.state.into(),
        late: trace.late,
    };
    let item = Item::of(&found).ok()?;
    Event::default().event(name).json_data(item).ok()
}

/// A word on the tail itself.
fn progress(what: &str, why: &str) -> Option<Event> {
    Event::default()
        .event("progress")
        .json_data(serde_json::json!({ what: why }))
        .ok()
}

/// What was sent of which trace.
#[derive(Default)]
struct Seen {
    /// Whether the decision was sent.
    decided: HashMap<TraceId, bool>,
    order: VecDeque<TraceId>,
}

impl Seen {
    /// What this is news of, if it is.
    fn news(&mut self, trace: &LiveTrace) -> Option<&'static str> {
        let is_decided = !matches!(TraceState::from(trace.state.clone()), TraceState::Undecided);
        if let Some(was_decided) = self.decided.get_mut(&trace.id) {
            return (is_decided && !std::mem::replace(was_decided, true)).then_some("decided");
        }
        if self.order.len() == SEEN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.decided.remove(&oldest);
        }
        self.order.push_back(trace.id);
        self.decided.insert(trace.id, is_decided);
        Some("trace")
    }
}
