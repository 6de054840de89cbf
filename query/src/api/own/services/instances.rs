//! `/services/{s}/instances` and `/deployments`: what of a service runs where, and since when in which version.

use std::collections::{BTreeMap, BTreeSet};

use ::metrics::SeriesData;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::Extensions;
use axum::response::Response;
use serde::Serialize;

use super::numbers::{Change, Numbers};
use super::sorted::{Key, Page, Sort};
use super::{Asked, answer, reproduced, unknown};
use crate::Query;
use crate::api::prometheus::marks;
use crate::api::request_id::RequestId;
use crate::map::range::{Range, Until};
use crate::map::source::series;
use crate::map::tally::{INSTANCE_INFO, INSTANCE_SECONDS, seen};
use crate::refusal::Refusal;

#[derive(Serialize)]
struct Instance {
    instance: String,
    version: Option<String>,
    env: Option<String>,
    host: Option<String>,
    container: Option<String>,
    pod: Option<String>,
    #[serde(flatten)]
    numbers: Numbers,
    first_seen: Option<String>,
    last_seen: Option<String>,
    change: Option<Change>,
}

#[derive(Serialize)]
struct Deployment {
    version: String,
    /// Instances that ran it in the range.
    instances: usize,
    first_seen: String,
    last_seen: String,
}

/// What the info series of an instance say; of several the newest.
#[derive(Debug, Clone, Default)]
struct Info {
    version: String,
    env: String,
    host: String,
    container: String,
    pod: String,
    first_ms: i64,
    last_ms: i64,
}

pub(super) async fn instances(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Rate)?;
    let mut marks = marks(&query);
    let range = asked.range;
    let by = &["service_instance_id"];
    let of = &asked.tenant;
    let labels = [("service_name", name.as_str())];
    let (now, before) = asked
        .compared(&query, INSTANCE_SECONDS, &labels, by, &mut marks)
        .await?;
    let live = Some(&mut marks);
    let infos = series(&query, of, INSTANCE_INFO, &asked.labels(&name), range, live).await?;
    let infos = by_instance(&infos, range);
    // requests are counted by instance in all environments: instances say where they are
    let counted = now.keys().flatten().filter(|_| asked.env.is_none());
    let ids: BTreeSet<&String> = infos.keys().chain(counted).collect();
    if ids.is_empty() {
        return Err(unknown(&name, asked.env.as_deref()));
    }
    let items = ids
        .into_iter()
        .map(|id| {
            let key = vec![id.clone()];
            let measure = now.get(&key).cloned().unwrap_or_default();
            let numbers = Numbers::of(&measure, range);
            let change = numbers.change(before.get(&key), range);
            Instance::of(id, infos.get(id), numbers, change, asked.until)
        })
        .collect();
    let key = |item: &Instance| Key::of(item.instance.clone(), &item.numbers);
    let ui = format!("/ui/services/{name}");
    let queries = reproduced::requests(INSTANCE_SECONDS, by, &labels, range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, page.of(items, key), frame)
}

pub(super) async fn deployments(
    State(query): State<Query>,
    Path(name): Path<String>,
    RawQuery(text): RawQuery,
    Extension(request_id): Extension<RequestId>,
    extensions: Extensions,
) -> Result<Response, Refusal> {
    let asked = Asked::read(&query, text.as_deref(), &extensions)?;
    let page = Page::read(&asked.parameters, Sort::Name)?;
    let mut marks = marks(&query);
    let labels = asked.labels(&name);
    let live = Some(&mut marks);
    let infos = series(
        &query,
        &asked.tenant,
        INSTANCE_INFO,
        &labels,
        asked.range,
        live,
    )
    .await?;
    let mut versions: BTreeMap<&str, (i64, i64, BTreeSet<&str>)> = BTreeMap::new();
    for one in &infos {
        let version = one.labels.get("service_version");
        for at in seen(one, asked.range) {
            let known = versions.entry(version);
            let (first, last, instances) = known.or_insert_with(|| (at, at, BTreeSet::new()));
            (*first, *last) = ((*first).min(at), (*last).max(at));
            instances.insert(one.labels.get("service_instance_id"));
        }
    }
    if versions.is_empty() {
        return Err(unknown(&name, asked.env.as_deref()));
    }
    // the newest first
    let mut items: Vec<(i64, Deployment)> = versions
        .into_iter()
        .map(|(version, (first, last, instances))| {
            let deployment = Deployment {
                version: version.to_owned(),
                instances: instances.len(),
                first_seen: asked.until.text(first),
                last_seen: asked.until.text(last),
            };
            (first, deployment)
        })
        .collect();
    items.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.version.cmp(&other.version)));
    let items: Vec<(usize, Deployment)> = items
        .into_iter()
        .map(|(_, item)| item)
        .enumerate()
        .collect();
    let key = |(at, _): &(usize, Deployment)| Key {
        name: format!("{at:09}"),
        rate: 0.0,
        error_ratio: None,
        p95: None,
        total_s: 0.0,
        state: "",
    };
    let (items, total, next) = page.of(items, key);
    let items: Vec<Deployment> = items.into_iter().map(|(_, item)| item).collect();
    let ui = format!("/ui/services/{name}");
    let queries = reproduced::versions(&name, asked.range);
    let frame = asked.frame(&marks, &request_id, queries, &ui);
    answer(&query, &marks, (items, total, next), frame)
}

fn by_instance(infos: &[SeriesData], range: Range) -> BTreeMap<String, Info> {
    let mut found: BTreeMap<String, Info> = BTreeMap::new();
    for one in infos {
        let times: Vec<i64> = seen(one, range).collect();
        let (Some(first), Some(last)) = (times.first(), times.last()) else {
            continue;
        };
        let label = |name: &str| one.labels.get(name).to_owned();
        let info = found.entry(label("service_instance_id")).or_insert(Info {
            first_ms: *first,
            last_ms: i64::MIN,
            ..Info::default()
        });
        info.first_ms = info.first_ms.min(*first);
        if *last > info.last_ms {
            *info = Info {
                version: label("service_version"),
                env: label("deployment_environment"),
                host: label("host_name"),
                container: label("container_id"),
                pod: label("k8s_pod_name"),
                first_ms: info.first_ms,
                last_ms: *last,
            };
        }
    }
    found
}

impl Instance {
    fn of(
        id: &str,
        info: Option<&Info>,
        numbers: Numbers,
        change: Option<Change>,
        until: Until,
    ) -> Self {
        let text = |of: fn(&Info) -> &String| {
            let found = info.map(of).filter(|text| !text.is_empty());
            found.cloned()
        };
        Self {
            instance: id.to_owned(),
            version: text(|info| &info.version),
            env: text(|info| &info.env),
            host: text(|info| &info.host),
            container: text(|info| &info.container),
            pod: text(|info| &info.pod),
            numbers,
            first_seen: info.map(|info| until.text(info.first_ms)),
            last_seen: info.map(|info| until.text(info.last_ms)),
            change,
        }
    }
}
