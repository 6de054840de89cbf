//! Why the process could not start, told so that whoever reads it knows what to change.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "cannot listen on {address} ({key}): {cause}; choose another with --set {key}=127.0.0.1:PORT"
    )]
    Bind {
        key: &'static str,
        address: SocketAddr,
        cause: std::io::Error,
    },
    #[error(
        "{key} = {address} is reachable from outside this machine, without authentication; use 127.0.0.1, or --insecure-listen if the network is trusted"
    )]
    Exposed {
        key: &'static str,
        address: SocketAddr,
    },
    #[error("cannot use the data directory {path}: {cause:#}")]
    DataDirectory { path: PathBuf, cause: anyhow::Error },
    #[error("cannot start the {part}: {cause:#}")]
    Part {
        part: &'static str,
        cause: anyhow::Error,
    },
}
