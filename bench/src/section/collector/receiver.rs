//! Who takes the spans: our collector before a log, or tonic and prost alone.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bus::Bus;
use collector::{Collector, Standing};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use crate::load::Protocol;
use crate::null_log::NullLog;

/// What is behind the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The collector; its records go nowhere.
    NullLog,
    /// The collector; its records are on disk before it answers.
    DurableLog,
    /// tonic's server with its own decompression; prost's structures are dropped.
    Tonic,
}

impl Kind {
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::NullLog => "collector, no log",
            Self::DurableLog => "collector, fsync",
            Self::Tonic => "tonic and prost decode only",
        }
    }
}

/// A bound receiver.
pub(super) struct Receivers {
    kind: Kind,
    protocol: Protocol,
    listener: TcpListener,
}

impl Receivers {
    pub(super) async fn bind(kind: Kind, protocol: Protocol) -> anyhow::Result<Self> {
        Ok(Self {
            kind,
            protocol,
            listener: TcpListener::bind("127.0.0.1:0").await?,
        })
    }

    pub(super) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `done` is.
    pub(super) async fn serve_until<T>(self, done: impl Future<Output = T>) -> anyhow::Result<T> {
        let stop = CancellationToken::new();
        let until_done = async {
            let outcome = done.await;
            stop.cancel();
            outcome
        };
        match self.kind {
            Kind::NullLog => {
                let collector = collector(NullLog::new(n_partitions()));
                Ok(tokio::join!(
                    until_done,
                    serve(self.listener, self.protocol, collector, stop.clone())
                )
                .0)
            }
            Kind::DurableLog => {
                let folder = tempfile::tempdir()?;
                let (config, metrics) = (bus::Config::default(), bus::Metrics::default());
                let log = Bus::open(
                    &config,
                    folder.path(),
                    n_partitions(),
                    Clock::host(),
                    metrics,
                )?;
                Ok(tokio::join!(
                    until_done,
                    serve(self.listener, self.protocol, collector(log), stop.clone())
                )
                .0)
            }
            Kind::Tonic => {
                let service = TraceServiceServer::new(Forgetful)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .max_decoding_message_size(64 << 20);
                let router = tonic::transport::Server::builder().add_service(service);
                let served = router.serve_with_incoming_shutdown(
                    TcpListenerStream::new(self.listener),
                    stop.clone().cancelled_owned(),
                );
                let (outcome, served) = tokio::join!(until_done, served);
                served?;
                Ok(outcome)
            }
        }
    }
}

/// As many as a new local log has.
fn n_partitions() -> u32 {
    std::thread::available_parallelism().map_or(1, |n_cores| n_cores.get().min(4) as u32)
}

fn collector<L: bus::Log>(log: L) -> Collector<L> {
    // The sender may go: a receiver keeps the last value.
    let (_, waiting) = watch::channel(Vec::new());
    let standing = Standing {
        waiting,
        scrape: Arc::new(String::new),
    };
    Collector::new(
        collector::Config::default(),
        log,
        Clock::host(),
        collector::Metrics::default(),
        standing,
    )
}

async fn serve<L: bus::Log>(
    listener: TcpListener,
    protocol: Protocol,
    collector: Collector<L>,
    stop: CancellationToken,
) {
    match protocol {
        Protocol::Grpc => collector.serve_grpc(listener, stop).await,
        Protocol::Http => collector.serve_http(listener, stop).await,
    }
}

/// Decodes, drops, answers.
struct Forgetful;

#[tonic::async_trait]
impl TraceService for Forgetful {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        drop(request);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
