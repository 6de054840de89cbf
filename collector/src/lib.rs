//! Receivers: what senders speak to, and the only way into the log.
//!
//! In: OTLP over gRPC and HTTP and Prometheus remote write, as strangers send it. Out: records in the log, spans routed by trace id, points by resource
//! or series, and an answer that is never OK before they are
//! durable. This is not a buffer: what cannot be taken now is refused, with the time after which to come again.
//!
//! A request passes `listen` → `otlp_grpc`, `otlp_http` or `remote_write` → `receive` → `inflate` → `route` → the log → `answer`.

mod admit;
mod answer;
mod arrival;
mod config;
mod fault;
mod health;
mod import;
mod inflate;
mod listen;
mod metrics;
mod otlp_grpc;
mod otlp_http;
mod receive;
mod reflection;
mod remote_write;
mod route;
mod under_way;

use std::fmt::Display;

use bus::Log;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use arrival::Format;
pub use config::{Config, Limits, OtlpGrpc, OtlpHttp};
pub use health::{GrpcHealth, Standing};
pub use import::{Holds, ImportError, Imported};
pub use metrics::Metrics;
pub use receive::Collector;
pub use reflection::{REFLECTION_SERVICES, reflection};

impl<L: Log> Collector<L> {
    /// Serves OTLP over gRPC, health and reflection, on a bound port until `stop` fires; then answers what is under way, for at most `limits.drain`.
    /// Dropping the future cuts all connections.
    pub async fn serve_grpc(&self, listener: TcpListener, stop: CancellationToken) {
        let collector = self.clone();
        let reflection = reflection(&[reflection::OTLP]);
        let respond =
            move |request| otlp_grpc::respond(collector.clone(), reflection.clone(), request);
        let (limits, metrics) = (self.limits(), self.metrics());
        let windows = self.windows();
        let served = listen::serve(listener, limits, metrics, windows, &stop, respond);
        tokio::join!(served, self.drain_on(&stop));
    }

    /// Serves OTLP over HTTP/1.1 and HTTP/2, health and `/metrics` in the same way.
    pub async fn serve_http(&self, listener: TcpListener, stop: CancellationToken) {
        let collector = self.clone();
        let respond = move |request| otlp_http::respond(collector.clone(), request);
        let (limits, metrics) = (self.limits(), self.metrics());
        let windows = self.windows();
        let served = listen::serve(listener, limits, metrics, windows, &stop, respond);
        tokio::join!(served, self.drain_on(&stop));
    }

    /// Answers one request as [`Collector::serve_http`] does, which came in at another port.
    pub async fn respond_http<B>(&self, request: http::Request<B>) -> http::Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let Ok(response) = otlp_http::respond(self.clone(), request).await;
        response
    }

    async fn drain_on(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        self.drain();
    }
}
