//! What of a map is asked for.

use std::collections::BTreeSet;

use service_map::edge::{FAILED, REQUESTS};
use service_map::entity::Entity;
use service_map::graph::cluster::{Choice, Group, Only};
use telemetry::{RecordTime, Tenant};

use super::super::Reproduced;
use crate::map::range::Range;
use crate::map::shelf::View;
use crate::read::parameters::{Parameters, shortened};
use crate::read::time;
use crate::refusal::Refusal;

/// Nodes that are drawn at most.
const NODES_MAX: usize = 300;
/// Values of `focus` and of `expand` at most.
const NAMED_MAX: usize = 100;
const HOPS: u32 = 1;
const HOPS_MAX: u32 = 3;

/// One request for a map.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) range: Range,
    group: Group,
    expand: BTreeSet<String>,
    focus: Vec<Entity>,
    hops: u32,
    pub(super) only: Only,
    q: String,
    /// Whether places are wanted.
    pub(super) layout: bool,
}

impl Asked {
    pub(super) fn read(parameters: &Parameters, now_unix_ns: u64) -> Result<Self, Refusal> {
        let range = Range::of_map(parameters, now_unix_ns)?;
        Self::read_with(parameters, range)
    }

    pub(super) fn read_with(parameters: &Parameters, range: Range) -> Result<Self, Refusal> {
        if parameters.text("env").is_some() {
            return Err(Refusal::invalid(
                "series of calls carry no environment: use q, focus or group=namespace in place of env",
            ));
        }
        let focus = named(parameters, "focus")?;
        let layout = match parameters.text("layout") {
            None => true,
            Some(_) => parameters.flag(&["layout"])?,
        };
        Ok(Self {
            range,
            group: group(parameters.text("group").unwrap_or("service"))?,
            expand: named(parameters, "expand")?.into_iter().collect(),
            focus: focus.iter().map(|id| Entity::parse(id)).collect(),
            hops: hops(parameters)?,
            only: only(parameters.text("only"))?,
            q: parameters.text("q").unwrap_or_default().to_owned(),
            layout,
        })
    }

    pub(super) fn choice(&self) -> Choice {
        Choice {
            group: self.group,
            expand: self.expand.clone(),
            focus: self.focus.clone(),
            hops: self.hops,
            only: self.only,
            q: self.q.clone(),
            nodes_max: NODES_MAX,
            range_s: self.range.seconds(),
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.only != Only::All || !self.q.is_empty() || !self.focus.is_empty()
    }

    /// Which layout this is a sight of.
    pub(super) fn view(&self, tenant: &Tenant) -> View {
        let filter = if self.is_filtered() {
            format!(
                "{:?} {} {:?} {:?}",
                self.only, self.hops, self.focus, self.q
            )
        } else {
            String::new()
        };
        let expand: Vec<&str> = self.expand.iter().map(String::as_str).collect();
        View {
            tenant: tenant.clone(),
            group: word(self.group),
            expand: expand.join(","),
            filter,
        }
    }

    pub(super) fn ui(&self) -> String {
        let at = |unix_ms| time::rfc3339(RecordTime { unix_ms });
        let (from, to) = (at(self.range.from_ms), at(self.range.to_ms));
        format!("/ui/map?t={from}..{to}&group={}", word(self.group))
    }
}

/// PromQL that gives the numbers on the edges.
pub(super) fn queries(range: Range) -> Vec<Reproduced> {
    let seconds = (range.seconds() as u64).max(1);
    let at_s = range.to_ms.div_euclid(1_000);
    let of = |name: &str| Reproduced {
        lang: "promql",
        q: format!(
            "sum by (client, server, connection_type, virtual_node) (increase({name}[{seconds}s] @ {at_s}))"
        ),
    };
    vec![of(REQUESTS), of(FAILED)]
}

const GROUPS: [(&str, Group); 5] = [
    ("service", Group::Service),
    ("namespace", Group::Namespace),
    ("community", Group::Community),
    ("host", Group::Host),
    ("none", Group::None),
];

fn group(text: &str) -> Result<Group, Refusal> {
    if text == "team" {
        return Err(Refusal::invalid(
            "group=team is a later piece: no resource attribute says whose a service is; use namespace or community",
        ));
    }
    let found = GROUPS.iter().find(|(word, _)| *word == text);
    found
        .map(|(_, group)| *group)
        .ok_or_else(|| unread("group", "service, namespace, community, host or none", text))
}

fn word(group: Group) -> &'static str {
    let found = GROUPS.iter().find(|(_, known)| *known == group);
    found.map_or("service", |(word, _)| word)
}

fn only(text: Option<&str>) -> Result<Only, Refusal> {
    match text {
        None => Ok(Only::All),
        Some("problems") => Ok(Only::Problems),
        Some("changed") => Ok(Only::Changed),
        Some(text) => Err(unread("only", "problems or changed", text)),
    }
}

fn hops(parameters: &Parameters) -> Result<u32, Refusal> {
    let hops = parameters.number("hops")?.unwrap_or(HOPS);
    if (1..=HOPS_MAX).contains(&hops) {
        Ok(hops)
    } else {
        Err(unread("hops", "1 to 3", &hops.to_string()))
    }
}

/// Ids, repeated or with commas between them.
fn named(parameters: &Parameters, name: &str) -> Result<Vec<String>, Refusal> {
    let all: Vec<String> = parameters
        .all(name)
        .flat_map(|value| value.split(','))
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .take(NAMED_MAX + 1)
        .collect();
    if all.len() > NAMED_MAX {
        return Err(Refusal::invalid(format!(
            "'{name}' names more than {NAMED_MAX} ids"
        )));
    }
    Ok(all)
}

fn unread(name: &str, expected: &str, text: &str) -> Refusal {
    Refusal::invalid(format!(
        "unable to parse param '{name}': expected {expected}, this is {:?}",
        shortened(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Asked, Refusal> {
        let parameters = Parameters::of_query(Some(query)).expect("short");
        Asked::read(&parameters, 1_000_000_000_000_000)
    }

    #[test]
    fn every_parameter_is_understood() {
        let asked = of(
            "group=host&expand=host:a,host:b&focus=cart&focus=db:pg&hops=2&only=problems&q=x&layout=false",
        );
        let asked = asked.expect("valid");
        assert_eq!((asked.group, asked.hops), (Group::Host, 2));
        assert_eq!(asked.expand.len(), 2);
        let ids: Vec<String> = asked.focus.iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["service:cart", "db:pg"]);
        assert!(asked.is_filtered() && !asked.layout);
        assert_eq!((asked.only, &*asked.q), (Only::Problems, "x"));
        let plain = of("").expect("valid");
        assert!(plain.layout && !plain.is_filtered());
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (query, why) in [
            ("group=team", "later piece"),
            ("group=x", "param 'group'"),
            ("only=x", "param 'only'"),
            ("hops=0", "param 'hops'"),
            ("hops=4", "param 'hops'"),
            ("hops=x", "'hops'"),
            ("layout=x", "layout"),
            ("env=prod", "no environment"),
            ("at=x", "param 'at'"),
        ] {
            let told = of(query).expect_err(query).to_string();
            assert!(told.contains(why), "{query}: {told}");
        }
        let many = format!("focus={}", "a,".repeat(101));
        assert!(of(&many).is_err());
    }
}
