//! What can stand on the map: its kind and its name, and the id that addresses and links use.

use std::fmt;

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

    /// What ids of this kind begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::Database => "db",
            other => other.word(),
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

    /// What a person typed: an id, or just the name of a service.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let of_kind = |kind: &Kind| {
            let name = text.strip_prefix(kind.prefix())?.strip_prefix(':')?;
            Some(Self::new(*kind, name))
        };
        let found = Kind::ALL.iter().find_map(of_kind);
        found.unwrap_or_else(|| Self::service(text))
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.prefix(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_is_of_and_a_bare_name_is_a_service() {
        for (text, kind, name) in [
            ("service:cart", Kind::Service, "cart"),
            ("cart", Kind::Service, "cart"),
            ("db:shop", Kind::Database, "shop"),
            ("queue:orders:eu", Kind::Queue, "orders:eu"),
            ("user:user", Kind::User, "user"),
            ("a:b", Kind::Service, "a:b"),
        ] {
            assert_eq!(Entity::parse(text), Entity::new(kind, name), "{text}");
        }
        for kind in Kind::ALL {
            let entity = Entity::new(kind, "a b:ü");
            assert_eq!(Entity::parse(&entity.to_string()), entity);
        }
    }
}
