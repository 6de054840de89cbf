//! Keys of the attributes that tell of a peer, as bytes: that is how they are looked for.

use telemetry::semconv;

pub(super) const DB_NAME: &[u8] = semconv::DB_NAME.as_bytes();
pub(super) const DB_NAMESPACE: &[u8] = semconv::DB_NAMESPACE.as_bytes();
pub(super) const DB_SYSTEM: &[u8] = semconv::DB_SYSTEM.as_bytes();
pub(super) const DB_SYSTEM_NAME: &[u8] = semconv::DB_SYSTEM_NAME.as_bytes();
pub(super) const HTTP_RESPONSE_STATUS_CODE: &[u8] = semconv::HTTP_RESPONSE_STATUS_CODE.as_bytes();
pub(super) const HTTP_STATUS_CODE: &[u8] = semconv::HTTP_STATUS_CODE.as_bytes();
pub(super) const HTTP_URL: &[u8] = semconv::HTTP_URL.as_bytes();
pub(super) const MESSAGING_DESTINATION: &[u8] = semconv::MESSAGING_DESTINATION.as_bytes();
pub(super) const MESSAGING_DESTINATION_NAME: &[u8] = semconv::MESSAGING_DESTINATION_NAME.as_bytes();
pub(super) const MESSAGING_DESTINATION_TEMPLATE: &[u8] =
    semconv::MESSAGING_DESTINATION_TEMPLATE.as_bytes();
pub(super) const NETWORK_PEER_ADDRESS: &[u8] = semconv::NETWORK_PEER_ADDRESS.as_bytes();
pub(super) const NETWORK_PEER_PORT: &[u8] = semconv::NETWORK_PEER_PORT.as_bytes();
pub(super) const NET_PEER_NAME: &[u8] = semconv::NET_PEER_NAME.as_bytes();
pub(super) const NET_PEER_PORT: &[u8] = semconv::NET_PEER_PORT.as_bytes();
pub(super) const NET_SOCK_PEER_ADDR: &[u8] = semconv::NET_SOCK_PEER_ADDR.as_bytes();
pub(super) const NET_SOCK_PEER_PORT: &[u8] = semconv::NET_SOCK_PEER_PORT.as_bytes();
pub(super) const PEER_SERVICE: &[u8] = semconv::PEER_SERVICE.as_bytes();
pub(super) const SERVER_ADDRESS: &[u8] = semconv::SERVER_ADDRESS.as_bytes();
pub(super) const SERVER_PORT: &[u8] = semconv::SERVER_PORT.as_bytes();
pub(super) const URL_FULL: &[u8] = semconv::URL_FULL.as_bytes();

/// Every key that is looked for: one that is missing here is never found.
const ALL: [&[u8]; 20] = [
    DB_NAME,
    DB_NAMESPACE,
    DB_SYSTEM,
    DB_SYSTEM_NAME,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_STATUS_CODE,
    HTTP_URL,
    MESSAGING_DESTINATION,
    MESSAGING_DESTINATION_NAME,
    MESSAGING_DESTINATION_TEMPLATE,
    NETWORK_PEER_ADDRESS,
    NETWORK_PEER_PORT,
    NET_PEER_NAME,
    NET_PEER_PORT,
    NET_SOCK_PEER_ADDR,
    NET_SOCK_PEER_PORT,
    PEER_SERVICE,
    SERVER_ADDRESS,
    SERVER_PORT,
    URL_FULL,
];
/// A bit for each length, and for each first byte, of a key.
const MASKS: (u64, u128) = masks();

const fn masks() -> (u64, u128) {
    let (mut lengths, mut firsts, mut n) = (0, 0, 0);
    while n < ALL.len() {
        lengths |= 1 << ALL[n].len();
        firsts |= 1 << ALL[n][0];
        n += 1;
    }
    (lengths, firsts)
}

/// False for nearly all keys that are none of these, which costs less than to compare them with each.
#[inline]
pub(super) fn may_matter(key: &[u8]) -> bool {
    let (lengths, firsts) = MASKS;
    let length = lengths.checked_shr(key.len().min(64) as u32);
    let first = key
        .first()
        .and_then(|first| firsts.checked_shr(u32::from(*first)));
    length.is_some_and(|bits| bits & 1 == 1) && first.is_some_and(|bits| bits & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_may_matter() {
        assert!(ALL.into_iter().all(may_matter));
        for key in [
            &b""[..],
            b"http.route",
            b"code.line",
            &[0xff; 7],
            &[b'd'; 64],
        ] {
            assert!(!may_matter(key), "{key:?}");
        }
    }
}
