//! The messages of `jaeger.api_v3.QueryService` (jaeger-idl, `api_v3/query_service.proto`). Traces are not among them: they are sent as
//! the bytes they are stored in.

use std::collections::HashMap;

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetTraceRequest {
    #[prost(string, tag = "1")]
    pub(in crate::api) trace_id: String,
    #[prost(message, optional, tag = "2")]
    pub(in crate::api) start_time: Option<Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub(in crate::api) end_time: Option<Timestamp>,
    #[prost(bool, tag = "4")]
    pub(in crate::api) raw_traces: bool,
}

/// Also of `FindTraceSummaries`.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct FindTracesRequest {
    #[prost(message, optional, tag = "1")]
    pub(in crate::api) query: Option<TraceQueryParameters>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct TraceQueryParameters {
    #[prost(string, tag = "1")]
    pub(in crate::api) service_name: String,
    #[prost(string, tag = "2")]
    pub(in crate::api) operation_name: String,
    #[prost(map = "string, string", tag = "3")]
    pub(in crate::api) attributes: HashMap<String, String>,
    #[prost(message, optional, tag = "4")]
    pub(in crate::api) start_time_min: Option<Timestamp>,
    #[prost(message, optional, tag = "5")]
    pub(in crate::api) start_time_max: Option<Timestamp>,
    #[prost(message, optional, tag = "6")]
    pub(in crate::api) duration_min: Option<Duration>,
    #[prost(message, optional, tag = "7")]
    pub(in crate::api) duration_max: Option<Duration>,
    #[prost(int32, tag = "8")]
    pub(in crate::api) search_depth: i32,
    #[prost(bool, tag = "9")]
    pub(in crate::api) raw_traces: bool,
    /// `jaeger.expression.v1.Call`: only whether it is there.
    #[prost(message, optional, tag = "10")]
    pub(in crate::api) filter: Option<Call>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct Call {}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(in crate::api) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(in crate::api) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(in crate::api) nanos: i32,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(in crate::api) struct Duration {
    #[prost(int64, tag = "1")]
    pub(in crate::api) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(in crate::api) nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetServicesRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetServicesResponse {
    #[prost(string, repeated, tag = "1")]
    pub(in crate::api) services: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetOperationsRequest {
    #[prost(string, tag = "1")]
    pub(in crate::api) service: String,
    #[prost(string, tag = "2")]
    pub(in crate::api) span_kind: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct Operation {
    #[prost(string, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(string, tag = "2")]
    pub(in crate::api) span_kind: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetOperationsResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::api) operations: Vec<Operation>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct GetDependenciesRequest {
    #[prost(message, optional, tag = "1")]
    pub(in crate::api) start_time: Option<Timestamp>,
    #[prost(message, optional, tag = "2")]
    pub(in crate::api) end_time: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct DependenciesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::api) dependencies: Vec<Dependency>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct Dependency {
    #[prost(string, tag = "1")]
    pub(in crate::api) parent: String,
    #[prost(string, tag = "2")]
    pub(in crate::api) child: String,
    #[prost(uint64, tag = "3")]
    pub(in crate::api) call_count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct FindTraceSummariesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(in crate::api) summaries: Vec<TraceSummary>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct TraceSummary {
    #[prost(string, tag = "1")]
    pub(in crate::api) trace_id: String,
    #[prost(string, tag = "2")]
    pub(in crate::api) root_service_name: String,
    #[prost(string, tag = "3")]
    pub(in crate::api) root_operation_name: String,
    #[prost(fixed64, tag = "4")]
    pub(in crate::api) min_start_time_unix_nano: u64,
    #[prost(fixed64, tag = "5")]
    pub(in crate::api) max_end_time_unix_nano: u64,
    #[prost(int32, tag = "6")]
    pub(in crate::api) span_count: i32,
    #[prost(int32, tag = "7")]
    pub(in crate::api) error_span_count: i32,
    #[prost(int32, tag = "8")]
    pub(in crate::api) orphan_span_count: i32,
    #[prost(message, repeated, tag = "9")]
    pub(in crate::api) services: Vec<ServiceSummary>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::api) struct ServiceSummary {
    #[prost(string, tag = "1")]
    pub(in crate::api) name: String,
    #[prost(int32, tag = "2")]
    pub(in crate::api) span_count: i32,
    #[prost(int32, tag = "3")]
    pub(in crate::api) error_span_count: i32,
}
