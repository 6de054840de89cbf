//! What a span calls: a database, a queue, or somebody outside. In: the span's attributes and its resource. Out: one entity. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::identity::host_name;
use super::{EntityId, EntityKind, Identity};
use crate::semconv::HOST_NAME;

/// Attributes that say who is called.
const KEYS: [&str; 13] = [
    "db.system.name",
    "db.system",
    "db.namespace",
    "db.name",
    "messaging.system",
    "messaging.destination.template",
    "messaging.destination.name",
    "server.address",
    "server.port",
    "peer.service",
    "url.full",
    "network.peer.address",
    "network.peer.port",
];

/// Ports on which a database listens unless it is told.
const PORTS: [(&str, &str); 13] = [
    ("postgresql", "5432"),
    ("mysql", "3306"),
    ("mariadb", "3306"),
    ("redis", "6379"),
    ("mongodb", "27017"),
    ("microsoft.sql_server", "1433"),
    ("mssql", "1433"),
    ("oracle.db", "1521"),
    ("cassandra", "9042"),
    ("elasticsearch", "9200"),
    ("opensearch", "9200"),
    ("memcached", "11211"),
    ("clickhouse", "9000"),
];

/// What a span says of whom it calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Peer(BTreeMap<&'static str, String>);

impl Peer {
    /// From the attributes of a span. Of a key that comes twice the last value counts.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>) -> Self {
        let known = |key: &str| KEYS.iter().find(|known| **known == key).copied();
        let pairs = pairs.into_iter().filter_map(|(key, value)| {
            let value = value.trim();
            (!value.is_empty()).then_some((known(key)?, value.to_owned()))
        });
        Self(pairs.collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or("")
    }

    /// Whom the span calls: a database before a queue before somebody else.
    #[must_use]
    pub fn entity(&self, caller: &Identity) -> Option<EntityId> {
        self.database(caller)
            .or_else(|| self.queue(caller))
            .or_else(|| self.external(caller))
    }

    /// `db:{system}/{address}:{port}/{namespace}`; what follows `|` in a namespace is no part of it.
    #[must_use]
    pub fn database(&self, caller: &Identity) -> Option<EntityId> {
        let system = self.get("db.system.name").or(self.get("db.system"))?;
        let default = PORTS.iter().find(|(known, _)| *known == system);
        let port = self
            .get("server.port")
            .or(default.map(|(_, port)| *port))
            .unwrap_or("");
        let address = self
            .get("server.address")
            .or(self.get("network.peer.address"));
        let server = server(&address_of(address.unwrap_or(""), caller), port);
        let namespace = self.get("db.namespace").unwrap_or(self.text("db.name"));
        let namespace = namespace.split('|').next().unwrap_or("");
        Some(EntityId::new(
            EntityKind::Database,
            [system, &server, namespace],
        ))
    }

    /// `queue:{system}/{cluster}/{destination}`, the cluster by its address.
    #[must_use]
    pub fn queue(&self, caller: &Identity) -> Option<EntityId> {
        let system = self.get("messaging.system")?;
        let destination = self
            .get("messaging.destination.template")
            .or(self.get("messaging.destination.name"))?;
        let cluster = address_of(self.text("server.address"), caller);
        Some(EntityId::new(
            EntityKind::Queue,
            [system, &cluster, destination],
        ))
    }

    /// `external:{address}:{port}`.
    #[must_use]
    pub fn external(&self, caller: &Identity) -> Option<EntityId> {
        let named = self.get("peer.service").map(str::to_owned);
        let at = |address: &str, port: &str| {
            let address = self.get(address)?;
            Some(server(&address_of(address, caller), self.text(port)))
        };
        let url = || {
            let (host, port) = host_of_url(self.get("url.full")?)?;
            Some(server(&address_of(host, caller), port))
        };
        let address = named
            .or_else(|| at("server.address", "server.port"))
            .or_else(url)
            .or_else(|| at("network.peer.address", "network.peer.port"))?;
        Some(EntityId::new(EntityKind::External, [&address]))
    }

    /// Address of the other end, as the network knows it.
    #[must_use]
    pub fn network_address(&self) -> Option<&str> {
        self.get("network.peer.address")
    }
}

fn server(address: &str, port: &str) -> String {
    if port.is_empty() {
        address.to_owned()
    } else {
        format!("{address}:{port}")
    }
}

/// An address as a key: lower-case, without final dot. What means the caller's own host is named by it.
fn address_of(address: &str, caller: &Identity) -> String {
    let address = host_name(address);
    let is_own = address == "localhost"
        || address.starts_with("127.")
        || address == "::1"
        || address.starts_with('/');
    if !is_own {
        return address;
    }
    let host = caller.host();
    let by_host = host.as_ref().map(|h| h.name.as_deref().unwrap_or(h.key()));
    by_host
        .or(caller.get(HOST_NAME))
        .map_or(address, str::to_owned)
}

/// Host and port (may be empty) of a URL.
fn host_of_url(url: &str) -> Option<(&str, &str)> {
    let (_, after) = url.split_once("://")?;
    let authority = after.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let (host, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']')?;
            (host, after.strip_prefix(':').unwrap_or(""))
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    (!host.is_empty()).then_some((host, port))
}
