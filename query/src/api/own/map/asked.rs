//! What of a map is asked for.

use std::collections::BTreeSet;

use service_map::Config;
use service_map::edge::{FAILED, REQUESTS};
use service_map::entity::Named;
use service_map::graph::cluster::{Choice, Group, Only};
use telemetry::{RecordTime, Tenant};

use super::super::Reproduced;
use crate::map::range::Range;
use crate::map::shelf::View;
use crate::read::parameters::{Parameters, shortened};
use crate::read::time;
use crate::refusal::Refusal;

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
    focus: Vec<Named>,
    hops: u32,
    pub(super) only: Only,
    env: Option<String>,
    q: String,
    nodes_max: usize,
    /// Whether places are wanted.
    pub(super) layout: bool,
}

impl Asked {
    pub(super) fn read(
        parameters: &Parameters,
        config: &Config,
        now_unix_ns: u64,
    ) -> Result<Self, Refusal> {
        let range = Range::of_map(parameters, now_unix_ns)?;
        Self::read_with(parameters, config, range)
    }

    pub(super) fn read_with(
        parameters: &Parameters,
        config: &Config,
        range: Range,
    ) -> Result<Self, Refusal> {
        let focus = named(parameters, "focus")?;
        let layout = match parameters.text("layout") {
            None => true,
            Some(_) => parameters.flag(&["layout"])?,
        };
        Ok(Self {
            range,
            group: parameters.text("group").map_or(Ok(config.group), group)?,
            expand: named(parameters, "expand")?.into_iter().collect(),
            focus: focus.iter().map(|id| Named::parse(id)).collect(),
            hops: hops(parameters)?,
            only: only(parameters.text("only"))?,
            env: parameters.text("env").map(str::to_owned),
            q: parameters.text("q").unwrap_or_default().to_owned(),
            nodes_max: config.max_nodes,
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
            env: self.env.clone(),
            q: self.q.clone(),
            nodes_max: self.nodes_max,
            range_s: self.range.seconds(),
        }
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.only != Only::All || !self.q.is_empty() || !self.focus.is_empty() || self.env.is_some()
    }

    /// Which layout this is a sight of.
    pub(super) fn view(&self, tenant: &Tenant) -> View {
        let filter = if self.is_filtered() {
            format!(
                "{:?} {} {:?} {:?} {:?}",
                self.only, self.hops, self.focus, self.env, self.q
            )
        } else {
            String::new()
        };
        let expand: Vec<&str> = self.expand.iter().map(String::as_str).collect();
        View {
            tenant: tenant.clone(),
            group: self.group.word(),
            expand: expand.join(","),
            filter,
        }
    }

    pub(super) fn ui(&self) -> String {
        let at = |unix_ms| time::rfc3339(RecordTime { unix_ms });
        let (from, to) = (at(self.range.from_ms), at(self.range.to_ms));
        format!("/ui/map?t={from}..{to}&group={}", self.group.word())
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

fn group(text: &str) -> Result<Group, Refusal> {
    let found = Group::ALL.into_iter().find(|group| group.word() == text);
    let words = "service, namespace, team, community, host or none";
    found.ok_or_else(|| unread("group", words, text))
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
        Asked::read(&parameters, &Config::default(), 1_000_000_000_000_000)
    }

    #[test]
    fn every_parameter_is_understood() {
        let asked = of(
            "group=host&expand=host:a,host:b&focus=cart&focus=db:pg&hops=2&only=problems&q=x&layout=false&env=prod",
        );
        let asked = asked.expect("valid");
        assert_eq!((asked.group, asked.hops), (Group::Host, 2));
        assert_eq!(asked.expand.len(), 2);
        assert_eq!(asked.focus, ["service:cart", "db:pg"].map(Named::parse));
        assert_eq!(asked.env.as_deref(), Some("prod"));
        assert!(asked.is_filtered() && !asked.layout);
        assert_eq!((asked.only, &*asked.q), (Only::Problems, "x"));
        let plain = of("").expect("valid");
        assert!(plain.layout && !plain.is_filtered());
        assert!(of("env=prod").expect("valid").is_filtered());
        assert_eq!(of("group=team").expect("valid").group, Group::Team);
    }

    #[test]
    fn settings_hold_where_nothing_is_asked() {
        let config = Config {
            max_nodes: 20,
            group: Group::Namespace,
        };
        let of = |query: &str| {
            let parameters = Parameters::of_query(Some(query)).expect("short");
            let asked = Asked::read(&parameters, &config, 1_000_000_000_000_000).expect("valid");
            (asked.choice().group, asked.choice().nodes_max)
        };
        assert_eq!(of(""), (Group::Namespace, 20));
        assert_eq!(of("group=service"), (Group::Service, 20));
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (query, why) in [
            ("group=x", "param 'group'"),
            ("only=x", "param 'only'"),
            ("hops=0", "param 'hops'"),
            ("hops=4", "param 'hops'"),
            ("hops=x", "'hops'"),
            ("layout=x", "layout"),
            ("at=x", "param 'at'"),
        ] {
            let told = of(query).expect_err(query).to_string();
            assert!(told.contains(why), "{query}: {told}");
        }
        let many = format!("focus={}", "a,".repeat(101));
        assert!(of(&many).is_err());
    }
}
