//! Who a span says is at the other end of its call.
//!
//! In: attributes of a span. Out: a kind and a name, of which one rule says where it is taken from (decision 140).

mod key;

use telemetry::wire::{SpanView, StatusCode, UnreadValue, ValueView};

use super::Role;

/// Bytes of a node's name. Longer ones are cut.
pub const NAME_BYTES_MAX: usize = 256;

/// From here on a status code of HTTP is a failure to a client (semantic conventions, "HTTP client span", status).
const HTTP_CLIENT_FAILED: i64 = 400;

/// What kind of a node is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    Database,
    Queue,
    Other,
}

/// What a span says of its call beside its own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// None if it names nobody.
    pub peer: Option<PeerKind>,
    pub failed: bool,
}

/// Reads what a span says. The peer's name, if there is a peer, is what `name` holds then.
pub fn read(span: &SpanView<'_>, role: Role, name: &mut String) -> Said {
    name.clear();
    let failed = span.status_code() == StatusCode::Error;
    if role == Role::Server {
        return Said { peer: None, failed };
    }
    let found = Found::of(span);
    let peer = match role {
        Role::Client => found.database(name).or_else(|| found.queue(name)),
        _ => found.queue(name),
    };
    let peer = peer.or_else(|| match role {
        Role::Client => found.other(name),
        _ => None,
    });
    let failed_silently = role == Role::Client
        && span.status_code() == StatusCode::Unset
        && found
            .http_status
            .and_then(whole)
            .is_some_and(|code| code >= HTTP_CLIENT_FAILED);
    Said {
        peer: peer.filter(|_| !name.is_empty()),
        failed: failed || failed_silently,
    }
}

type Value<'a> = Option<UnreadValue<'a>>;

/// The attributes that matter, of several spellings the newest, of equal ones the first.
#[derive(Debug, Default)]
struct Found<'a> {
    peer_service: Value<'a>,
    /// In the order in which they name a database: namespace, name, system by the old convention, system.
    database: [Value<'a>; 4],
    /// In the order in which they name a queue: template, name, name by the old convention.
    queue: [Value<'a>; 3],
    server: Address<'a>,
    old_server: Address<'a>,
    network: Address<'a>,
    old_network: Address<'a>,
    url: Value<'a>,
    http_status: Value<'a>,
}

#[derive(Debug, Default)]
struct Address<'a> {
    address: Value<'a>,
    port: Value<'a>,
}

impl<'a> Found<'a> {
    fn of(span: &SpanView<'a>) -> Self {
        let mut found = Self::default();
        for (key, value) in span.attributes().unread() {
            if let Some(place) = found.place(key) {
                place.get_or_insert(value);
            }
        }
        found
    }

    /// Where an attribute belongs, if it matters.
    fn place(&mut self, key: &[u8]) -> Option<&mut Value<'a>> {
        if !key::may_matter(key) {
            return None;
        }
        let [namespace, name, old_system, system] = &mut self.database;
        let [template, destination, old_destination] = &mut self.queue;
        let place = match key {
            key::PEER_SERVICE => &mut self.peer_service,
            key::DB_NAMESPACE => namespace,
            key::DB_NAME => name,
            key::DB_SYSTEM => old_system,
            key::DB_SYSTEM_NAME => system,
            key::MESSAGING_DESTINATION_TEMPLATE => template,
            key::MESSAGING_DESTINATION_NAME => destination,
            key::MESSAGING_DESTINATION => old_destination,
            key::SERVER_ADDRESS => &mut self.server.address,
            key::SERVER_PORT => &mut self.server.port,
            key::NET_PEER_NAME => &mut self.old_server.address,
            key::NET_PEER_PORT => &mut self.old_server.port,
            key::NETWORK_PEER_ADDRESS => &mut self.network.address,
            key::NETWORK_PEER_PORT => &mut self.network.port,
            key::NET_SOCK_PEER_ADDR => &mut self.old_network.address,
            key::NET_SOCK_PEER_PORT => &mut self.old_network.port,
            key::URL_FULL | key::HTTP_URL => &mut self.url,
            key::HTTP_RESPONSE_STATUS_CODE | key::HTTP_STATUS_CODE => &mut self.http_status,
            _ => return None,
        };
        Some(place)
    }

    /// A database is one that is named as such; its node is the first of: the peer's service, the server's address, the network's, the attribute itself.
    fn database(&self, name: &mut String) -> Option<PeerKind> {
        let named = self.database.into_iter().flatten().next()?;
        let is_written = write(self.peer_service, name)
            || write(self.server.address, name)
            || write(self.old_server.address, name)
            || self.network.write(name)
            || self.old_network.write(name);
        if !is_written {
            push(named, name);
        }
        Some(PeerKind::Database)
    }

    fn queue(&self, name: &mut String) -> Option<PeerKind> {
        let named = self.queue.into_iter().flatten().next()?;
        push(named, name);
        Some(PeerKind::Queue)
    }

    fn other(&self, name: &mut String) -> Option<PeerKind> {
        let is_written = write(self.peer_service, name)
            || self.server.write(name)
            || self.old_server.write(name)
            || self.write_host(name)
            || self.network.write(name)
            || self.old_network.write(name);
        is_written.then_some(PeerKind::Other)
    }

    fn write_host(&self, name: &mut String) -> bool {
        let Some(ValueView::Str(url)) = self.url.map(UnreadValue::read) else {
            return false;
        };
        name.push_str(cut(host_of(url)));
        !name.is_empty()
    }
}

impl Address<'_> {
    /// `address:port`, or the address alone.
    fn write(&self, name: &mut String) -> bool {
        if !write(self.address, name) {
            return false;
        }
        if let Some(port) = self.port.and_then(whole) {
            name.push(':');
            name.push_str(itoa::Buffer::new().format(port));
        }
        true
    }
}

/// Host and port of a URL; nothing where there are none.
fn host_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or("", |(_, behind)| behind);
    let authority = behind.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn whole(value: UnreadValue<'_>) -> Option<i64> {
    match value.read() {
        ValueView::Int(number) => Some(number),
        ValueView::Str(text) => text.parse().ok(),
        _ => None,
    }
}

fn write(value: Value<'_>, name: &mut String) -> bool {
    if let Some(value) = value {
        push(value, name);
    }
    !name.is_empty()
}

fn push(value: UnreadValue<'_>, name: &mut String) {
    name.push_str(cut(&value.read().text()));
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_is_what_is_connected_to() {
        for (url, host) in [
            ("https://api.stripe.com/v1/charges?a=b", "api.stripe.com"),
            ("http://u:p@10.0.0.1:8080", "10.0.0.1:8080"),
            ("http://[::1]:80/x", "[::1]:80"),
            ("/relative", ""),
            ("http://", ""),
            ("mailto:a@b", ""),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
