//! Ports: bound before data is touched, and on this machine alone unless told otherwise.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::StartError;
use crate::config::Config;
use crate::status::Addresses;

/// Ports that are bound before anything else happens.
pub(super) struct Listeners {
    pub(super) otlp_grpc: TcpListener,
    pub(super) otlp_http: TcpListener,
    pub(super) query: TcpListener,
}

/// Binds every port, and tells where each came to be.
pub(super) async fn bind(config: &Config) -> Result<(Listeners, Addresses), StartError> {
    let open = config.server.insecure_listen;
    let otlp_grpc = bind_one(
        "collector.otlp_grpc.listen",
        config.collector.otlp_grpc.listen,
        open,
    )
    .await?;
    let otlp_http = bind_one(
        "collector.otlp_http.listen",
        config.collector.otlp_http.listen,
        open,
    )
    .await?;
    let query = bind_one("query.listen", config.query.listen, open).await?;
    let at = |listener: &TcpListener, asked: SocketAddr| listener.local_addr().unwrap_or(asked);
    let addresses = Addresses {
        otlp_grpc: at(&otlp_grpc, config.collector.otlp_grpc.listen),
        otlp_http: at(&otlp_http, config.collector.otlp_http.listen),
        query: at(&query, config.query.listen),
    };
    Ok((
        Listeners {
            otlp_grpc,
            otlp_http,
            query,
        },
        addresses,
    ))
}

async fn bind_one(
    key: &'static str,
    address: SocketAddr,
    insecure_listen: bool,
) -> Result<TcpListener, StartError> {
    if !address.ip().is_loopback() && !insecure_listen {
        return Err(StartError::Exposed { key, address });
    }
    TcpListener::bind(address)
        .await
        .map_err(|cause| StartError::Bind {
            key,
            address,
            cause,
        })
}
