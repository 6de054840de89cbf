//! `jaeger.api_v3.QueryService` through a gRPC client, on the same port as HTTP. The messages here are written from the published
//! definition once more, so that a wrong number on either side shows.

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use query::LiveState;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use trace_store::KeptTrace;

use crate::served::{Served, kept, live, sampling, span};

#[derive(Clone, PartialEq, Message)]
struct GetTrace {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(bool, tag = "4")]
    raw_traces: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Parameters {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(map = "string, string", tag = "3")]
    attributes: HashMap<String, String>,
    #[prost(message, optional, tag = "4")]
    start_time_min: Option<Time>,
    #[prost(message, optional, tag = "5")]
    start_time_max: Option<Time>,
    #[prost(int32, tag = "8")]
    search_depth: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Find {
    #[prost(message, optional, tag = "1")]
    query: Option<Parameters>,
}

#[derive(Clone, PartialEq, Message)]
struct Summaries {
    #[prost(message, repeated, tag = "1")]
    summaries: Vec<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(string, tag = "2")]
    root_service_name: String,
    #[prost(string, tag = "3")]
    root_operation_name: String,
    #[prost(fixed64, tag = "4")]
    min_start: u64,
    #[prost(fixed64, tag = "5")]
    max_end: u64,
    #[prost(int32, tag = "6")]
    span_count: i32,
    #[prost(int32, tag = "7")]
    error_span_count: i32,
    #[prost(int32, tag = "8")]
    orphan_span_count: i32,
    #[prost(message, repeated, tag = "9")]
    services: Vec<OfService>,
}

#[derive(Clone, PartialEq, Message)]
struct OfService {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    span_count: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

#[derive(Clone, PartialEq, Message)]
struct Names {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct GetOperations {
    #[prost(string, tag = "1")]
    service: String,
    #[prost(string, tag = "2")]
    span_kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct Operations {
    #[prost(message, repeated, tag = "1")]
    operations: Vec<Operation>,
}

#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    span_kind: String,
}

struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn of(served: &Served) -> Self {
        let channel = Channel::from_shared(served.url(""))
            .expect("an address")
            .connect()
            .await
            .expect("connected");
        Self(tonic::client::Grpc::new(channel))
    }

    /// Every message of a streaming method.
    async fn all<M: Message + 'static, T: Message + Default + 'static>(
        &mut self,
        method: &str,
        message: M,
    ) -> Result<Vec<T>, Status> {
        self.0.ready().await.expect("connected");
        let path = format!("/jaeger.api_v3.QueryService/{method}")
            .parse()
            .expect("a path");
        let mut stream = self
            .0
            .server_streaming(
                tonic::Request::new(message),
                path,
                ProstCodec::<M, T>::default(),
            )
            .await?
            .into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await? {
            messages.push(message);
        }
        Ok(messages)
    }

    async fn one<M: Message + 'static, T: Message + Default + 'static>(
        &mut self,
        path: &str,
        message: M,
    ) -> Result<T, Status> {
        self.0.ready().await.expect("connected");
        let codec = ProstCodec::<M, T>::default();
        Ok(self
            .0
            .unary(
                tonic::Request::new(message),
                path.parse().expect("a path"),
                codec,
            )
            .await?
            .into_inner())
    }
}

async fn served() -> Served {
    let served = Served::start().await;
    let two_spans: bytes::Bytes = [span(1, 1, None, "a", 10), span(1, 2, Some(1), "b", 11)]
        .concat()
        .into();
    served
        .store(
            0,
            vec![KeptTrace {
                sampling: sampling("busy", 1 << 55),
                ..kept(1, two_spans)
            }],
        )
        .await;
    served
        .live
        .add(live(2, span(2, 1, Some(9), "a", 20), LiveState::Undecided));
    served
}

fn find(service: &str, search_depth: i32) -> Find {
    let at = |seconds| Some(Time { seconds, nanos: 0 });
    let (start_time_min, start_time_max) = (at(1_485_446_400), at(1_485_450_000));
    Find {
        query: Some(Parameters {
            service_name: service.to_owned(),
            attributes: HashMap::new(),
            start_time_min,
            start_time_max,
            search_depth,
        }),
    }
}

#[tokio::test]
async fn a_trace_is_sent_as_otlp() {
    let served = served().await;
    let mut client = Client::of(&served).await;
    let get = |raw_traces| GetTrace {
        trace_id: "1".to_owned(),
        raw_traces,
    };
    let spans = |messages: Vec<TracesData>| {
        let of_scope = messages
            .into_iter()
            .flat_map(|data| data.resource_spans)
            .flat_map(|resource| resource.scope_spans);
        of_scope.flat_map(|scope| scope.spans).collect::<Vec<_>>()
    };
    let raw = spans(client.all("GetTrace", get(true)).await.expect("found"));
    assert_eq!(
        (
            raw.len(),
            raw[0].trace_state.as_str(),
            raw[0].attributes.len()
        ),
        (2, "", 0)
    );
    let shown = spans(client.all("GetTrace", get(false)).await.expect("found"));
    assert_eq!(
        (
            shown[0].trace_state.as_str(),
            shown[0].attributes[0].key.as_str()
        ),
        ("ot=th:8", "tracewell.sampling.rule")
    );
    assert_eq!(shown[1], raw[1]);
}

#[tokio::test]
async fn a_search_streams_a_message_a_trace() {
    let served = served().await;
    let mut client = Client::of(&served).await;
    let traces: Vec<TracesData> = client.all("FindTraces", find("a", 0)).await.expect("found");
    let first = |data: &TracesData| data.resource_spans[0].scope_spans[0].spans[0].trace_id[15];
    assert_eq!(traces.iter().map(first).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(
        client
            .all::<_, TracesData>("FindTraces", find("a", 1))
            .await
            .expect("found")
            .len(),
        1
    );
    assert!(
        client
            .all::<_, TracesData>("FindTraces", find("nobody", 0))
            .await
            .expect("none")
            .is_empty()
    );
}

#[tokio::test]
async fn summaries_count_what_is_there() {
    let served = served().await;
    let mut client = Client::of(&served).await;
    let messages: Vec<Summaries> = client
        .all("FindTraceSummaries", find("a", 0))
        .await
        .expect("found");
    let service = |name: &str| OfService {
        name: name.to_owned(),
        span_count: 1,
    };
    let start = |s: u64| 1_485_446_400_000_000_000 + s * 1_000_000_000;
    let expected = [
        Summary {
            trace_id: format!("{:032x}", 2),
            root_service_name: "a".to_owned(),
            root_operation_name: "op1".to_owned(),
            min_start: start(20),
            max_end: start(20) + 1_000_000,
            span_count: 1,
            error_span_count: 0,
            orphan_span_count: 1,
            services: vec![service("a")],
        },
        Summary {
            trace_id: format!("{:032x}", 1),
            root_service_name: "a".to_owned(),
            root_operation_name: "op1".to_owned(),
            min_start: start(10),
            max_end: start(11) + 1_000_000,
            span_count: 2,
            error_span_count: 0,
            orphan_span_count: 0,
            services: vec![service("a"), service("b")],
        },
    ];
    assert_eq!(
        messages,
        [Summaries {
            summaries: expected.to_vec()
        }]
    );
}

#[tokio::test]
async fn services_and_operations_are_listed() {
    let served = served().await;
    let mut client = Client::of(&served).await;
    let names: Names = client
        .one("/jaeger.api_v3.QueryService/GetServices", Nothing {})
        .await
        .expect("names");
    assert_eq!(names.names, ["a", "b"]);
    let ask = GetOperations {
        service: "b".to_owned(),
        span_kind: "server".to_owned(),
    };
    let operations: Operations = client
        .one("/jaeger.api_v3.QueryService/GetOperations", ask)
        .await
        .expect("operations");
    assert_eq!(
        operations.operations,
        [Operation {
            name: "op2".to_owned(),
            span_kind: "server".to_owned()
        }]
    );
}

#[derive(Clone, PartialEq, Message)]
struct Range {
    #[prost(message, optional, tag = "1")]
    start_time: Option<Time>,
    #[prost(message, optional, tag = "2")]
    end_time: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Dependencies {
    #[prost(message, repeated, tag = "1")]
    dependencies: Vec<Dependency>,
}

#[derive(Clone, PartialEq, Message)]
struct Dependency {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "2")]
    child: String,
    #[prost(uint64, tag = "3")]
    call_count: u64,
}

#[tokio::test]
async fn dependencies_are_pairs_of_services() {
    let served = crate::map::shop().await;
    let now_s = crate::served::NOW_UNIX_MS / 1_000;
    let at = |seconds| Some(Time { seconds, nanos: 0 });
    let ask = Range {
        start_time: at(now_s - 300),
        end_time: at(now_s),
    };
    let method = "/jaeger.api_v3.QueryService/GetDependencies";
    let mut client = Client::of(&served).await;
    let found: Dependencies = client.one(method, ask.clone()).await.expect("answered");
    let pair = |parent: &str, child: &str, call_count| Dependency {
        parent: parent.to_owned(),
        child: child.to_owned(),
        call_count,
    };
    assert_eq!(
        found.dependencies,
        [pair("cart", "mail", 30), pair("web", "cart", 60)]
    );
    let turned = Range {
        start_time: ask.end_time,
        end_time: ask.start_time,
    };
    let refused = client.one::<_, Dependencies>(method, turned).await;
    assert_eq!(refused.expect_err("turned").code(), Code::InvalidArgument);
}

#[tokio::test]
async fn refusals_are_statuses() {
    let served = served().await;
    let mut client = Client::of(&served).await;
    let get = |id: &str| GetTrace {
        trace_id: id.to_owned(),
        raw_traces: false,
    };
    let none = client
        .all::<_, TracesData>("GetTrace", get("77"))
        .await
        .expect_err("none");
    assert_eq!(
        (none.code(), none.message()),
        (Code::NotFound, "trace not found")
    );
    assert_eq!(
        client
            .all::<_, TracesData>("GetTrace", get("x"))
            .await
            .expect_err("no id")
            .code(),
        Code::InvalidArgument
    );
    assert_eq!(
        client
            .all::<_, TracesData>("FindTraces", find("a", 10_001))
            .await
            .expect_err("limit")
            .code(),
        Code::InvalidArgument
    );
    let no_range = client
        .one::<_, Nothing>("/jaeger.api_v3.QueryService/GetDependencies", Nothing {})
        .await
        .expect_err("both times are needed");
    assert_eq!(no_range.code(), Code::InvalidArgument);
    let v2 = client
        .one::<_, Nothing>("/jaeger.api_v2.QueryService/GetServices", Nothing {})
        .await
        .expect_err("not served");
    assert_eq!(v2.code(), Code::Unimplemented);
    let busy = Served::with(query::Config {
        running_max: 0,
        queue_wait: std::time::Duration::ZERO,
        ..query::Config::default()
    })
    .await;
    let refused = Client::of(&busy)
        .await
        .one::<_, Names>("/jaeger.api_v3.QueryService/GetServices", Nothing {})
        .await
        .expect_err("busy");
    assert_eq!(refused.code(), Code::ResourceExhausted);
}
