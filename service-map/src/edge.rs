//! The rules of edges: which spans are two ends of one call, and between whom.
//!
//! In: facts of the spans of one decided trace. Out: pairs and half-edges, each once.

/// What kind of a call an edge is: the label `connection_type` of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// A CLIENT span and its SERVER child.
    Call,
    /// A span that says which database it asked.
    Database,
    /// A producer or a consumer and its queue.
    Messaging,
    /// One end of the call was never seen: a peer outside, or a user.
    Virtual,
}

impl Connection {
    /// The label's value, as the service-graph tools spell it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Call => "",
            Self::Database => "database",
            Self::Messaging => "messaging_system",
            Self::Virtual => "virtual_node",
        }
    }
}
