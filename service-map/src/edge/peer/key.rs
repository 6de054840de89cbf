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
