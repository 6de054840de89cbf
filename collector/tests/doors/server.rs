//! A collector on two real ports, and what it told about itself.

use std::net::SocketAddr;
use std::sync::Arc;

use bus::Log;
use collector::{Collector, Config, Metrics, Standing};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use telemetry::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::memory_log::MemoryLog;

pub(crate) struct Server<L: Log = MemoryLog> {
    pub(crate) log: L,
    pub(crate) collector: Collector<L>,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) waiting: watch::Sender<Vec<String>>,
    pub(crate) stop: CancellationToken,
    scrape: Arc<dyn Fn() -> String + Send + Sync>,
    tasks: JoinSet<()>,
}

impl Server {
    /// On a log in memory with four partitions, with limits as `change` leaves them.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Server::on(MemoryLog::new(4), change).await
    }
}

impl<L: Log> Server<L> {
    pub(crate) async fn on(log: L, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let (metrics, mut registry) = (Metrics::default(), Registry::with_prefix("tracewell"));
        metrics.register(&mut registry);
        let registry = Mutex::new(registry);
        let scrape = Arc::new(move || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry.lock())
                .expect("a string takes all");
            text
        });
        let (waiting, seen) = watch::channel(Vec::new());
        let standing = Standing {
            waiting: seen,
            scrape: scrape.clone(),
        };
        let collector = Collector::new(config, log.clone(), Clock::host(), metrics, standing);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = (
            TcpListener::bind(any).await.expect("a free port"),
            TcpListener::bind(any).await.expect("a free port"),
        );
        let addr = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        let (grpc, http) = (addr(&listeners.0), addr(&listeners.1));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (for_grpc, for_http) = (collector.clone(), collector.clone());
        let (stop_grpc, stop_http) = (stop.clone(), stop.clone());
        tasks.spawn(async move { for_grpc.serve_grpc(listeners.0, stop_grpc).await });
        tasks.spawn(async move { for_http.serve_http(listeners.1, stop_http).await });
        Self {
            log,
            collector,
            grpc,
            http,
            waiting,
            stop,
            scrape,
            tasks,
        }
    }

    /// Stops and returns once both listeners have.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a listener does not panic");
        }
    }

    /// Whether `/metrics` has this line.
    #[track_caller]
    pub(crate) fn check_metric(&self, line: &str) {
        assert!(
            self.has_metric(line),
            "{line} is not in\n{}",
            (self.scrape)()
        );
    }

    pub(crate) fn has_metric(&self, line: &str) -> bool {
        (self.scrape)().lines().any(|found| found == line)
    }
}
