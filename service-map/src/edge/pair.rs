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
    /// Ends that call, each id once, in order of ids.
    callers: Vec<Caller>,
    /// Ends that answer and have no parent, in order of ids.
    roots: Vec<Answer>,
    /// Ends that answer a parent, in order of these.
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Caller {
    id: u64,
    /// Which of the ends it is.
    place: u32,
    answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    /// 0 if it has none.
    parent: u64,
    id: u64,
    /// Which of the ends it is.
    place: u32,
}

impl Pairing {
    /// Tells `with` what each end of a trace counts for; in an order that follows from the ends alone.
    pub fn count<'a>(&mut self, ends: &[End<'a>], mut with: impl FnMut(Counted<'a>)) {
        self.sort(ends);
        let callers = &mut self.callers;
        let at = |place| end_at(ends, place);
        let mut tell = |answer: &Answer, caller: Option<&mut Caller>| {
            let caller = caller.map(|caller| {
                caller.answered = true;
                at(caller.place)
            });
            count_answer(at(answer.place), caller, &mut with);
        };
        for root in firsts(&self.roots, ends) {
            let caller = shared(callers, root, ends);
            tell(root, caller.and_then(|caller| callers.get_mut(caller)));
        }
        let mut first = 0; // of the callers that may be parents of the answers that are left
        for answer in firsts(&self.answers, ends) {
            while callers.get(first).is_some_and(|it| it.id < answer.parent) {
                first += 1;
            }
            let parent = callers.get(first).filter(|it| it.id == answer.parent);
            let caller = match parent {
                Some(_) => Some(first),
                None => shared(callers, answer, ends),
            };
            tell(answer, caller.and_then(|caller| callers.get_mut(caller)));
        }
        for caller in callers {
            count_caller(at(caller.place), caller.answered, &mut with);
        }
    }

    fn sort(&mut self, ends: &[End<'_>]) {
        self.callers.clear();
        self.roots.clear();
        self.answers.clear();
        for (end, place) in ends.iter().zip(0..) {
            let id = end.id;
            let list = match end.parent {
                _ if end.role.calls() => {
                    let answered = false;
                    self.callers.push(Caller {
                        id,
                        place,
                        answered,
                    });
                    continue;
                }
                Some(_) => &mut self.answers,
                None => &mut self.roots,
            };
            let parent = end.parent.unwrap_or(0);
            list.push(Answer { parent, id, place });
        }
        self.callers.sort_unstable();
        self.callers.dedup_by_key(|caller| caller.id);
        self.roots.sort_unstable();
        self.answers.sort_unstable();
    }
}

/// Of several with one parent, id and role the first.
fn firsts<'a>(answers: &'a [Answer], ends: &'a [End<'_>]) -> impl Iterator<Item = &'a Answer> {
    let mut last = None;
    let (mut has_server, mut has_consumer) = (false, false);
    answers.iter().filter(move |answer| {
        let span = Some((answer.parent, answer.id));
        if std::mem::replace(&mut last, span) != span {
            (has_server, has_consumer) = (false, false);
        }
        let is_there = match end_at(ends, answer.place).role {
            Role::Consumer => &mut has_consumer,
            _ => &mut has_server,
        };
        !std::mem::replace(is_there, true)
    })
}

/// The client, by its place among the callers, that has the id of a server.
fn shared(callers: &[Caller], answer: &Answer, ends: &[End<'_>]) -> Option<usize> {
    let found = callers.binary_search_by_key(&answer.id, |caller| caller.id);
    let caller = found.ok()?;
    let is_client = end_at(ends, callers.get(caller)?.place).role == Role::Client;
    let is_server = end_at(ends, answer.place).role == Role::Server;
    (is_client && is_server).then_some(caller)
}

fn end_at<'e, 'a>(ends: &'e [End<'a>], place: u32) -> &'e End<'a> {
    let end = ends.get(place as usize);
    end.expect("places are those of the ends")
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
