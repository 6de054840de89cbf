//! `/services/{s}/operations`: spans of a service by operation. By version and environment they are counted; by instance they are shares of what is counted.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::count::Count;
use super::evidence::{Wanted, seen};
use super::group::Group;
use super::numbers::{Change, Numbers};
use super::shares::{Shares, by_instance, whole};
use super::sorted::{Key, Page, Sort};
use super::{Asked, answer, reproduced};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::range::WEEK_MS;
use crate::map::spans::{By, SPAN_SECONDS};
use crate::refusal::Refusal;
use crate::trace::found::Marks;
use crate::work::off_thread;

#[derive(Serialize)]
struct Operation {
    #[serde(flatten)]
    of: Group,
    #[serde(flatten)]
    numbers: Numbers,
    /// How many spans an instance had, as far as it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
    change: Option<Change>,
}

pub(super) async fn operations(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Total)?;
    let by = Group::by(&asked.parameters)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let [now, before] = shares(&query, &asked, &name, by, &mut marks).await?;
    let items = now
        .iter()
        .map(|(key, share)| {
            let numbers = Numbers::of(&share.measure, range);
            let before = before.get(key).map(|share| &share.measure);
            Operation {
                of: Group::of(key, by),
                change: numbers.change(before, range),
                numbers,
                count: share.count,
            }
        })
        .collect();
    let key = |item: &Operation| Key::of(item.of.name(), &item.numbers);
    let ui = format!("/ui/services/{name}");
    let labels = asked.labels(&name);
    let queries = reproduced::requests(SPAN_SECONDS, Group::counted(by), &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

/// Spans by what is asked for, in the range and in the same range of the week before.
async fn shares(
    query: &Query,
    asked: &Asked,
    name: &str,
    by: By,
    marks: &mut Marks,
) -> Result<[Shares; 2], Refusal> {
    let (counted, labels) = (Group::counted(by), asked.labels(name));
    let (now, before) = asked
        .compared(query, SPAN_SECONDS, &labels, counted, marks)
        .await?;
    if counted == by {
        return Ok([whole(now), whole(before)]);
    }
    let wanted = |range| Wanted {
        service: name,
        env: asked.env.as_deref(),
        by,
        range,
        status: None,
        duration_min_ns: None,
    };
    let (spans, has_more) = seen(query, &asked.tenant, &wanted(asked.range), marks).await?;
    marks.limited(has_more);
    let week_ago = wanted(asked.range.before(WEEK_MS));
    // what is missing of that week is missing of the comparison alone
    let mut of_week_ago = Marks::default();
    let (spans_before, _) = seen(query, &asked.tenant, &week_ago, &mut of_week_ago).await?;
    off_thread(move || {
        let shares = [(&now, &spans), (&before, &spans_before)];
        Ok(shares.map(|(counted, spans)| by_instance(counted, spans)))
    })
    .await
}
