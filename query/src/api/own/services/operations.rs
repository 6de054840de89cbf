//! `/services/{s}/operations`: spans of a service by operation.

use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::group::Group;
use super::numbers::{Change, Numbers};
use super::sorted::{Key, Page, Sort};
use super::{Asked, answer, reproduced};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::spans::{By, SPAN_SECONDS};
use crate::read::parameters::Parameters;
use crate::refusal::Refusal;

#[derive(Serialize)]
struct Operation {
    #[serde(flatten)]
    of: Group,
    #[serde(flatten)]
    numbers: Numbers,
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
    let by = by(&asked.parameters)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let labels = asked.labels(&name);
    let (now, before) = asked
        .compared(&query, SPAN_SECONDS, &labels, by, &mut marks)
        .await?;
    let items = now
        .iter()
        .map(|(key, measure)| {
            let numbers = Numbers::of(measure, range);
            Operation {
                of: Group::of(key, by),
                change: numbers.change(before.get(key), range),
                numbers,
            }
        })
        .collect();
    let key = |item: &Operation| Key::of(item.of.name(), &item.numbers);
    let ui = format!("/ui/services/{name}");
    let queries = reproduced::requests(SPAN_SECONDS, by, &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

fn by(parameters: &Parameters) -> Result<By, Refusal> {
    let by = Group::by(parameters)?;
    if Group::counted(by) != by {
        let text = "operations are not counted by instance; /instances has the requests of each";
        return Err(Refusal::invalid(text));
    }
    Ok(by)
}
