//! Connections: accepted up to a limit, held to HTTP/2's, ended by age or by a stop.
//!
//! In: a bound listener and what answers a request. Out: nothing; returns when the stop has fired and the last request under way is answered,
//! or the drain time is over. Who calls [`serve`] owns all of its tasks: dropping it ends them.

mod windows;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::metrics::Metrics;

pub(crate) use windows::{Window, Windows};

/// Largest DATA frame that we announce to take.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Streams reset by the peer before they were accepted, after which the connection ends (rapid reset).
const PENDING_RESETS_MAX: usize = 20;
/// Streams that we had to reset for errors of the peer, after which the connection ends.
const ERROR_RESETS_MAX: usize = 1024;
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Pause after a failed accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers the requests of all connections of `listener` with `respond` until `stop` fires, then those under way.
pub(crate) async fn serve<F, R, B, E>(
    listener: TcpListener,
    limits: &Limits,
    metrics: &Metrics,
    windows: &Windows,
    stop: &CancellationToken,
    respond: F,
) where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    let free = Arc::new(Semaphore::new(limits.connections_max as usize));
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    tracing::warn!(code = "TW2001", %error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&free).try_acquire_owned() else {
            metrics.connections_refused.inc();
            continue;
        };
        let open = Open::new(&metrics.connections);
        let connection = connection(
            stream,
            windows.clone(),
            limits.clone(),
            stop.clone(),
            respond.clone(),
        );
        connections.spawn(async move {
            connection.await;
            drop((open, place));
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, ended).await.is_err() {
        tracing::warn!(
            code = "TW2002",
            "connections are cut: requests under way took longer than limits.drain"
        );
    }
}

/// Counts a connection as long as it lives, however it ends.
struct Open(Gauge);

impl Open {
    fn new(connections: &Gauge) -> Self {
        connections.inc();
        Self(connections.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn builder(limits: &Limits, window: &Window) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.body_total);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(window.stream_bytes())
        .initial_connection_window_size(window.connection_bytes())
        .max_frame_size(FRAME_BYTES_MAX)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.headers_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

/// One connection, until it ends. Once it is old, or the stop has fired, it takes no further request.
async fn connection<F, R, B, E>(
    stream: TcpStream,
    windows: Windows,
    limits: Limits,
    stop: CancellationToken,
    respond: F,
) where
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    if !speaks(&stream, limits.body_idle, &stop).await {
        return;
    }
    let window = windows.open();
    let builder = builder(&limits, &window);
    let service = service_fn(respond);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = ends(limits.connection_age, &stop) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Whether a first byte came in time: one that is opened and left silent does not hold a place for long.
async fn speaks(stream: &TcpStream, within: Duration, stop: &CancellationToken) -> bool {
    if stream.set_nodelay(true).is_err() {
        return false;
    }
    let mut first = [0; 1];
    tokio::select! {
        () = stop.cancelled() => false,
        peeked = timeout(within, stream.peek(&mut first)) => matches!(peeked, Ok(Ok(1))),
    }
}

async fn ends(age: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(age) => {}
    }
}
