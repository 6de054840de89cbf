//! Pairs: finds the two ends of each call in a trace.
//!
//! A server or consumer belongs to the client or producer that is its parent. Where a sender gives both ends of a call one span id, they belong together
//! likewise. Of several versions of one span, the first counts.

use super::{Connection, Edge, End, PeerKind, Role, USER};

/// An end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    /// Value of the label `virtual_node`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What an end of a call counts for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counted<'a> {
    Request(Request<'a>),
    Unpaired(Unpaired<'a>),
}

/// One request of an edge, or as many as its spans stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    pub edge: Edge<'a>,
    pub failed: bool,
    pub weight: f64,
    pub window_ms: i64,
    /// As the client saw it, if there is one.
    pub client_ns: Option<u64>,
    /// As the server saw it, if there is one.
    pub server_ns: Option<u64>,
    /// What a message waited.
    pub queue_ns: Option<u64>,
}

/// An end whose other end nobody knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unpaired<'a> {
    pub side: Side,
    pub service: &'a str,
    pub weight: f64,
    pub window_ms: i64,
}

/// Pairs the ends of one trace after the other. What it holds is space to do so.
#[derive(Debug, Default)]
pub struct Pairing {
    /// Id and place of each end that calls, in order.
    callers: Vec<(u64, usize)>,
    /// Whether it was answered, by place in `callers`.
    answered: Vec<bool>,
    /// Parent, id, role and place of each end that answers, in order.
    answers: Vec<(Option<u64>, u64, Role, usize)>,
}

impl Pairing {
    /// Tells `with` what each end of a trace counts for; in an order that follows from the ends alone.
    pub fn count<'a>(&mut self, ends: &[End<'a>], mut with: impl FnMut(Counted<'a>)) {
        self.sort(ends);
        let at = |place: usize| ends.get(place).expect("places are those of the ends");
        for n in 0..self.answers.len() {
            let Some(&(.., place)) = self.answers.get(n) else {
                break;
            };
            let answer = at(place);
            let caller = self.caller_of(answer, ends);
            let caller = caller.map(|caller| {
                if let Some(answered) = self.answered.get_mut(caller) {
                    *answered = true;
                }
                let &(_, place) = self.callers.get(caller).expect("just found");
                at(place)
            });
            count_answer(answer, caller, &mut with);
        }
        for (&(_, place), answered) in self.callers.iter().zip(&self.answered) {
            count_caller(at(place), *answered, &mut with);
        }
    }

    fn sort(&mut self, ends: &[End<'_>]) {
        self.callers.clear();
        self.answers.clear();
        for (place, end) in ends.iter().enumerate() {
            if end.role.calls() {
                self.callers.push((end.id, place));
            } else {
                self.answers.push((end.parent, end.id, end.role, place));
            }
        }
        self.callers.sort_unstable();
        self.callers.dedup_by_key(|(id, _)| *id);
        self.answers.sort_unstable();
        self.answers
            .dedup_by_key(|(parent, id, role, _)| (*parent, *id, *role));
        self.answered.clear();
        self.answered.resize(self.callers.len(), false);
    }

    /// Place in `callers` of the one that an end answers.
    fn caller_of(&self, answer: &End<'_>, ends: &[End<'_>]) -> Option<usize> {
        let with_id = |id: u64| self.callers.binary_search_by_key(&id, |(id, _)| *id).ok();
        let shared = || {
            let caller = with_id(answer.id)?;
            let &(_, place) = self.callers.get(caller)?;
            let is_client = ends.get(place)?.role == Role::Client;
            (is_client && answer.role == Role::Server).then_some(caller)
        };
        answer.parent.and_then(with_id).or_else(shared)
    }
}

/// A server or consumer, with the end that called it if it was seen.
fn count_answer<'a>(
    answer: &End<'a>,
    caller: Option<&End<'a>>,
    with: &mut impl FnMut(Counted<'a>),
) {
    if let Some(caller) = caller {
        with(Counted::Request(pair(caller, answer)));
    }
    if answer.role == Role::Consumer {
        let queue = queue_of(answer).or_else(|| caller.and_then(queue_of));
        if let Some(queue) = queue {
            let edge = Edge {
                client: queue,
                server: answer.service,
                connection: Connection::Messaging,
                virtual_node: Some(Side::Client),
            };
            return with(Counted::Request(served(edge, answer)));
        }
    }
    if caller.is_some() {
        return;
    }
    if answer.role == Role::Server && answer.parent.is_none() {
        let edge = Edge {
            client: USER,
            server: answer.service,
            connection: Connection::Virtual,
            virtual_node: Some(Side::Client),
        };
        return with(Counted::Request(served(edge, answer)));
    }
    with(unpaired(Side::Server, answer));
}

/// A client or producer, of which was said whether it was answered.
fn count_caller<'a>(caller: &End<'a>, answered: bool, with: &mut impl FnMut(Counted<'a>)) {
    let to = |server, connection| Edge {
        client: caller.service,
        server,
        connection,
        virtual_node: Some(Side::Server),
    };
    // the way to the queue counts beside the way past it
    let is_to_queue = caller.role == Role::Producer || !answered;
    match caller.peer {
        Some((PeerKind::Queue, queue)) if is_to_queue => {
            with(Counted::Request(called(
                to(queue, Connection::Messaging),
                caller,
            )));
        }
        _ if answered => {}
        Some((PeerKind::Database, database)) => {
            // the one span is all that is ever seen of both sides
            let edge = Edge {
                virtual_node: None,
                ..to(database, Connection::Database)
            };
            with(Counted::Request(Request {
                server_ns: Some(caller.duration_ns),
                ..called(edge, caller)
            }));
        }
        Some((PeerKind::Other, peer)) => {
            with(Counted::Request(called(
                to(peer, Connection::Virtual),
                caller,
            )));
        }
        Some((PeerKind::Queue, _)) | None => with(unpaired(Side::Client, caller)),
    }
}

fn pair<'a>(caller: &End<'a>, answer: &End<'a>) -> Request<'a> {
    let is_messaging = caller.role.is_messaging() || answer.role.is_messaging();
    let answer_start_unix_ns = answer.end_unix_ns.saturating_sub(answer.duration_ns);
    let waited_ns = answer_start_unix_ns.checked_sub(caller.end_unix_ns);
    let is_timed = caller.role == Role::Producer && answer.role == Role::Consumer;
    Request {
        edge: Edge {
            client: caller.service,
            server: answer.service,
            connection: if is_messaging {
                Connection::Messaging
            } else {
                Connection::Call
            },
            virtual_node: None,
        },
        failed: caller.failed || answer.failed,
        // a sender that samples by the trace's own randomness has both ends whenever it has the rarer one
        weight: caller.weight.max(answer.weight),
        window_ms: caller.window_ms,
        client_ns: Some(caller.duration_ns),
        server_ns: Some(answer.duration_ns),
        queue_ns: waited_ns.filter(|_| is_timed),
    }
}

fn called<'a>(edge: Edge<'a>, end: &End<'_>) -> Request<'a> {
    Request {
        edge,
        failed: end.failed,
        weight: end.weight,
        window_ms: end.window_ms,
        client_ns: Some(end.duration_ns),
        server_ns: None,
        queue_ns: None,
    }
}

fn served<'a>(edge: Edge<'a>, end: &End<'_>) -> Request<'a> {
    Request {
        client_ns: None,
        server_ns: Some(end.duration_ns),
        ..called(edge, end)
    }
}

fn unpaired<'a>(side: Side, end: &End<'a>) -> Counted<'a> {
    Counted::Unpaired(Unpaired {
        side,
        service: end.service,
        weight: end.weight,
        window_ms: end.window_ms,
    })
}

fn queue_of<'a>(end: &End<'a>) -> Option<&'a str> {
    end.peer
        .and_then(|(kind, name)| (kind == PeerKind::Queue).then_some(name))
}
