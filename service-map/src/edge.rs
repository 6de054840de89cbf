//! The rules of edges: which spans are two ends of one call, and between whom.
//!
//! In: the ends of calls that the spans of one decided trace are ([`End`]). Out: what each of them counts for ([`Counted`]): requests of an edge, or an
//! end whose other end nobody knows. The names and labels are those that tools for service graphs know.

mod end;
mod pair;
mod peer;

pub use end::{End, Role};
pub use pair::{Counted, Pairing, Request, Side, Unpaired};
pub use peer::{NAME_BYTES_MAX, PeerKind, Said, read};

/// Requests between two nodes.
pub const REQUESTS: &str = "traces_service_graph_request_total";
/// Those of them that failed on either side.
pub const FAILED: &str = "traces_service_graph_request_failed_total";
/// Durations as clients see them, in s.
pub const CLIENT_SECONDS: &str = "traces_service_graph_request_client_seconds";
/// Durations as servers see them, in s.
pub const SERVER_SECONDS: &str = "traces_service_graph_request_server_seconds";
/// From the end of the producer to the start of the consumer, in s.
pub const QUEUE_SECONDS: &str = "traces_service_graph_request_messaging_system_seconds";
/// Ends whose other end nobody knows.
pub const UNPAIRED: &str = "traces_service_graph_unpaired_spans_total";
/// Ends that came when their trace was decided already, and count in no edge.
pub const DROPPED: &str = "traces_service_graph_dropped_spans_total";
/// That an edge was there.
pub const CONNECTION_INFO: &str = "traces_service_graph_connection_info";

/// The node that calls where a trace begins with a server.
pub const USER: &str = "user";

/// What kind of a call an edge is: the label `connection_type` of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// A client and its server.
    Call,
    /// A client and the database it names.
    Database,
    /// A producer or a consumer and their queue; or, beside that, the two of them.
    Messaging,
    /// One end was never seen: a peer outside, or a user.
    Virtual,
}

impl Connection {
    /// The label's value; empty for a call, which has no such label.
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

/// Who calls whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge<'a> {
    pub client: &'a str,
    pub server: &'a str,
    pub connection: Connection,
    /// The end that no span stands for. Of a messaging edge it is the queue; one that has none goes past the queue, from producer to consumer, and a map
    /// that draws queues leaves it out.
    pub virtual_node: Option<Side>,
}

impl<'a> Edge<'a> {
    /// Labels of its series, in order of names, without empty ones.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let queue = match (self.connection, self.virtual_node) {
            (Connection::Messaging, Some(Side::Client)) => self.client,
            (Connection::Messaging, Some(Side::Server)) => self.server,
            _ => "",
        };
        let all = [
            ("client", self.client),
            ("connection_type", self.connection.label()),
            ("messaging_destination_name", queue),
            ("server", self.server),
            ("virtual_node", self.virtual_node.map_or("", Side::label)),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty())
    }
}

#[cfg(test)]
mod tests;
