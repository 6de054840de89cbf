//! A collector for tests: tonic's own server, which answers as it is told and keeps what it got.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// A scenario that waits for what never comes fails, instead of hanging.
const HANGS: Duration = Duration::from_secs(60);

/// Shared between the server and the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeCollector {
    /// Answers to come, in order; then everything is taken.
    answers: Arc<Mutex<VecDeque<Status>>>,
    received: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    rejects: Arc<Mutex<i64>>,
    got: Arc<Notify>,
}

impl FakeCollector {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Status>) -> Self {
        let fake = Self::default();
        fake.answers.lock().extend(answers);
        fake
    }

    /// Takes requests, but says that so many of their points were not.
    pub(crate) fn rejecting(n_points: i64) -> Self {
        let fake = Self::default();
        *fake.rejects.lock() = n_points;
        fake
    }

    /// Runs `scenario` with the address of this collector, which serves as long.
    pub(crate) async fn during<F: Future>(&self, scenario: impl FnOnce(Uri) -> F) -> F::Output {
        let any_port = ([127, 0, 0, 1], 0).into();
        let incoming = TcpIncoming::bind(any_port).expect("a port is free");
        let address = incoming.local_addr().expect("bound");
        let uri = format!("http://{address}").parse().expect("an address");
        let service = Inflating(MetricsServiceServer::new(self.clone()));
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming);
        tokio::select! {
            ended = serving => panic!("the server ended: {ended:?}"),
            output = tokio::time::timeout(HANGS, scenario(uri)) => output.expect("a scenario ends"),
        }
    }

    /// What came in, once it is `n` requests.
    pub(crate) async fn received(&self, n: usize) -> Vec<ExportMetricsServiceRequest> {
        loop {
            let got = self.got.notified();
            if self.received.lock().len() >= n {
                return self.received.lock().clone();
            }
            got.await;
        }
    }
}

#[tonic::async_trait]
impl MetricsService for FakeCollector {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        self.received.lock().push(request.into_inner());
        self.got.notify_one();
        if let Some(status) = self.answers.lock().pop_front() {
            return Err(status);
        }
        let partial = ExportMetricsPartialSuccess {
            rejected_data_points: *self.rejects.lock(),
            error_message: "told so".to_owned(),
        };
        Ok(tonic::Response::new(ExportMetricsServiceResponse {
            partial_success: Some(partial),
        }))
    }
}

/// Inflates bodies before tonic sees them: it is built without its own gzip.
#[derive(Clone)]
struct Inflating<S>(S);

impl<S: NamedService> NamedService for Inflating<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Inflating<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut inner = self.0.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert!(head.headers.contains_key("grpc-timeout"));
            assert_eq!(head.headers.remove("grpc-encoding").expect("told"), "gzip");
            let framed = body.collect().await.expect("a whole body").to_bytes();
            assert_eq!(framed[0], 1, "marked as compressed");
            let mut message = Vec::new();
            flate2::read::GzDecoder::new(&framed[5..])
                .read_to_end(&mut message)
                .expect("gzip");
            let mut plain = BytesMut::new();
            plain.put_u8(0);
            plain.put_u32(message.len() as u32);
            plain.put(&message[..]);
            let body = Body::new(Full::new(plain.freeze()));
            inner.call(Request::from_parts(head, body)).await
        })
    }
}
