//! What can stand on the map: its kind and its name, and the id that addresses and links use (docs/decisions/190).

use std::fmt;

use telemetry::entity::{EntityId, EntityKind};

/// What a node of the map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Service,
    Database,
    Queue,
    /// Called by a service, and itself never heard of.
    External,
    /// Whoever calls a service from outside.
    User,
    Host,
}

impl Kind {
    /// Every kind, in the order in which nodes are listed.
    pub const ALL: [Self; 6] = [
        Self::Service,
        Self::Database,
        Self::Queue,
        Self::External,
        Self::User,
        Self::Host,
    ];

    /// The word in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::External => "external",
            Self::User => "user",
            Self::Host => "host",
        }
    }

    /// The kind of the entity.
    fn of_id(self) -> EntityKind {
        match self {
            Self::Service => EntityKind::Service,
            Self::Database => EntityKind::Database,
            Self::Queue => EntityKind::Queue,
            Self::External => EntityKind::External,
            Self::User => EntityKind::User,
            Self::Host => EntityKind::Host,
        }
    }
}

/// An entity: unique on a map, ordered by kind, then name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    pub kind: Kind,
    pub name: String,
}

impl Entity {
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    #[must_use]
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(Kind::Service, name)
    }

    /// The id under which it is addressed: of one part, since the map knows names alone.
    #[must_use]
    pub fn id(&self) -> EntityId {
        EntityId::named(self.kind.of_id(), &self.name)
    }

    /// What a person looks for in it: the word of its kind and its name.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}:{}", self.kind.of_id().word(), self.name)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

/// Names under which one thing may stand on the map; the first that is there is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(pub Vec<Entity>);

impl Named {
    /// What a person typed: an id, or just the name of a service.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let of_id = text.parse().ok().map(|id| Self::of(&id));
        let found = of_id.filter(|named: &Self| !named.0.is_empty());
        found.unwrap_or_else(|| Self(vec![Self::as_typed(text)]))
    }

    /// A name that nobody encoded, of a kind that is said or a service.
    fn as_typed(text: &str) -> Entity {
        let of_kind = |kind: &Kind| {
            let name = text.strip_prefix(kind.of_id().word())?.strip_prefix(':')?;
            Some(Entity::new(*kind, name))
        };
        let found = Kind::ALL.iter().find_map(of_kind);
        found.unwrap_or_else(|| Entity::service(text))
    }

    /// The node that an entity is: of a service in one environment the one of all; of a database by its address, with and without the port, its namespace and
    /// its system, in the order of the rules that name nodes. Nothing for what stands on no map.
    #[must_use]
    pub fn of(id: &EntityId) -> Self {
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.of_id() == id.kind()) else {
            return Self(Vec::new());
        };
        let names = match (kind, id.n_parts()) {
            (Kind::Service | Kind::Queue, 3) => vec![id.part(2)],
            (Kind::Database, 3) => {
                let address = id.part(1).rsplit_once(':');
                let host = address.map_or(id.part(1), |(host, _)| host);
                vec![host, id.part(1), id.part(2), id.part(0)]
            }
            _ => vec![id.part(0)],
        };
        let names = names.into_iter().filter(|name| !name.is_empty());
        Self(names.map(|name| Entity::new(kind, name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_says_what_it_is_of_and_a_bare_name_is_a_service() {
        for (text, expected) in [
            ("service:cart", "service cart"),
            ("cart", "service cart"),
            ("service:prod/shop/cart", "service cart"),
            ("service:shop%2Fcart", "service shop/cart"),
            ("service:shop/cart", "service shop/cart"),
            ("db:shop", "database shop"),
            (
                "db:postgresql/pg:5432/orders",
                "database pg, database pg:5432, database orders, database postgresql",
            ),
            ("db:sqlite/-/-", "database sqlite"),
            ("queue:orders:eu", "queue orders:eu"),
            ("queue:kafka/k/orders", "queue orders"),
            ("external:api.example:443", "external api.example:443"),
            ("user:user", "user user"),
            ("container:c", "service container:c"),
            ("a:b", "service a:b"),
            ("a b", "service a b"),
        ] {
            let of = |entity: &Entity| format!("{} {}", entity.kind.word(), entity.name);
            let found: Vec<String> = Named::parse(text).0.iter().map(of).collect();
            assert_eq!(found.join(", "), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_node_is_found_by_its_id(name in "\\PC{1,20}", kind in 0..Kind::ALL.len()) {
            let entity = Entity::new(Kind::ALL[kind], name);
            let id: EntityId = entity.to_string().parse().expect("an id");
            prop_assert_eq!(&id, &entity.id());
            prop_assert_eq!(Named::of(&id), Named(vec![entity.clone()]));
            prop_assert_eq!(Named::parse(&entity.to_string()), Named(vec![entity]));
        }
    }
}
