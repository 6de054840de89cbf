//! Entities: what spans and metrics are about. In: resource and span attributes, as text. Out: the kind and key of each thing they name, equal for
//! everybody who names the same thing.
//!
//! An id is `kind:part/part`, parts percent-encoded, an absent part `-` (docs/correlation.md). The tenant is no part of it: it stands beside every key.

mod identity;
mod peer;
mod text;

use std::fmt;
use std::str::FromStr;

pub use identity::{Host, Identity, KEYS};
pub use peer::Peer;
use text::{decoded, encoded};

/// Longest id that is read, in bytes.
pub const ID_BYTES_MAX: usize = 4_096;

/// What kind of thing an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    Service,
    Instance,
    Process,
    Container,
    Pod,
    Host,
    Database,
    Queue,
    External,
    /// Whoever calls from outside.
    User,
}

/// Every kind with its word and how many parts an id of it has: the one or the other number. One part alone, of a service, database or queue, is the name
/// by which the map knows it: whatever of that name there is.
const KINDS: [(EntityKind, &str, usize, usize); 10] = [
    (EntityKind::Service, "service", 1, 3),
    (EntityKind::Instance, "instance", 4, 4),
    (EntityKind::Process, "process", 2, 3),
    (EntityKind::Container, "container", 1, 1),
    (EntityKind::Pod, "pod", 1, 3),
    (EntityKind::Host, "host", 1, 2),
    (EntityKind::Database, "db", 1, 3),
    (EntityKind::Queue, "queue", 1, 3),
    (EntityKind::External, "external", 1, 1),
    (EntityKind::User, "user", 1, 1),
];

impl EntityKind {
    /// The word that ids of this kind begin with.
    #[must_use]
    pub fn word(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, ..)| *kind == self)
            .map_or("", |(_, word, ..)| word)
    }
}

/// Who an entity is: `container:3f…`, `service:prod/shop/checkout`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId {
    kind: EntityKind,
    /// Decoded; an absent part is empty.
    parts: Vec<String>,
}

/// Why text is no entity id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseEntityError {
    #[error("an entity id has at most {ID_BYTES_MAX} bytes, this has {0}")]
    TooLong(usize),
    #[error("an entity id is KIND:KEY, such as host:node-1 or service:prod/shop/checkout")]
    NoKind,
    #[error("there is no kind of entity {0:?}; there are {words}", words = words())]
    UnknownKind(String),
    #[error(
        "an id of kind {kind} has {} parts between slashes, this has {found}",
        either(*.fewer, *.more)
    )]
    Parts {
        kind: &'static str,
        fewer: usize,
        more: usize,
        found: usize,
    },
    #[error("a part of the id is not percent-encoded UTF-8")]
    Encoding,
}

fn either(fewer: usize, more: usize) -> String {
    if fewer == more {
        fewer.to_string()
    } else {
        format!("{fewer} or {more}")
    }
}

fn words() -> String {
    KINDS.map(|(_, word, ..)| word).join(", ")
}

impl EntityId {
    pub(crate) fn new<const N: usize>(kind: EntityKind, parts: [&str; N]) -> Self {
        Self {
            kind,
            parts: parts.map(str::to_owned).into(),
        }
    }

    #[must_use]
    pub fn service(environment: &str, namespace: &str, name: &str) -> Self {
        Self::new(EntityKind::Service, [environment, namespace, name])
    }

    /// Whatever of a kind has this name: nodes of the map are known by no more.
    #[must_use]
    pub fn named(kind: EntityKind, name: &str) -> Self {
        Self::new(kind, [name])
    }

    /// A container by its id, in whatever case.
    #[must_use]
    pub fn container(id: &str) -> Self {
        Self::new(EntityKind::Container, [&id.to_ascii_lowercase()])
    }

    /// A host by its id or its name.
    #[must_use]
    pub fn host(key: &str) -> Self {
        Self::new(EntityKind::Host, [key])
    }

    /// A host whose id others have too, which a cloned disk image makes: known by id and name.
    #[must_use]
    pub fn cloned_host(id: &str, name: &str) -> Self {
        Self::new(EntityKind::Host, [id, name])
    }

    #[must_use]
    pub fn kind(&self) -> EntityKind {
        self.kind
    }

    /// Its key in parts, decoded; an absent part is empty.
    #[must_use]
    pub fn part(&self, idx: usize) -> &str {
        self.parts.get(idx).map_or("", String::as_str)
    }

    #[must_use]
    pub fn n_parts(&self) -> usize {
        self.parts.len()
    }

    /// What a person calls it: the last part that is there, of a process its pid, of an id of a container the first 12 digits.
    #[must_use]
    pub fn label(&self) -> &str {
        let last = self.parts.iter().rfind(|part| !part.is_empty());
        let last = last.map_or("", String::as_str);
        match self.kind {
            EntityKind::Process => self.part(1),
            EntityKind::Container | EntityKind::Instance if last.len() == 64 => {
                last.get(..12).unwrap_or(last)
            }
            _ => last,
        }
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.word())?;
        let before = |idx: usize| match (self.kind, idx) {
            (_, 0) => "",
            (EntityKind::Process, 2) => "@",
            _ => "/",
        };
        for (idx, part) in self.parts.iter().enumerate() {
            f.write_str(before(idx))?;
            encoded(part, f)?;
        }
        Ok(())
    }
}

impl FromStr for EntityId {
    type Err = ParseEntityError;

    fn from_str(text: &str) -> Result<Self, ParseEntityError> {
        if text.len() > ID_BYTES_MAX {
            return Err(ParseEntityError::TooLong(text.len()));
        }
        let (word, key) = text.split_once(':').ok_or(ParseEntityError::NoKind)?;
        let known = KINDS.iter().find(|(_, known, ..)| *known == word);
        let (kind, word, fewer, more) =
            known.ok_or_else(|| ParseEntityError::UnknownKind(word.chars().take(40).collect()))?;
        let is_process = *kind == EntityKind::Process;
        let parts: Option<Vec<String>> = key
            .split(|c| c == '/' || (c == '@' && is_process))
            .map(decoded)
            .collect();
        let parts = parts.ok_or(ParseEntityError::Encoding)?;
        if ![fewer, more].contains(&&parts.len()) {
            return Err(ParseEntityError::Parts {
                kind: word,
                fewer: *fewer,
                more: *more,
                found: parts.len(),
            });
        }
        Ok(Self { kind: *kind, parts })
    }
}

#[cfg(test)]
mod tests;
