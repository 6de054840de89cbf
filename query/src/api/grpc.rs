//! `jaeger.api_v3.QueryService` over gRPC, on the same port as HTTP: a method is a route. Traces are sent as the bytes they are stored in,
//! one message a trace.

mod codec;

use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::stream::{self, Iter};
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tower::service_fn;

use super::jaeger_v3::dependencies;
use super::jaeger_v3::encoded;
use super::jaeger_v3::find::Find;
use super::jaeger_v3::message::{
    DependenciesResponse, Dependency, FindTraceSummariesResponse, FindTracesRequest,
    GetDependenciesRequest, GetOperationsRequest, GetOperationsResponse, GetServicesRequest,
    GetServicesResponse, GetTraceRequest, Operation,
};
use super::jaeger_v3::summary;
use super::prometheus::marks;
use super::{marked, tenant_of};
use crate::Query;
use crate::map::direct;
use crate::read::{kind, trace_id};
use crate::refusal::Refusal;
use crate::trace::found::{Marks, Page, State as TraceState};
use crate::work::off_thread;
use codec::Messages;

/// Longest request, in bytes.
const REQUEST_BYTES_MAX: usize = crate::read::parameters::TEXT_BYTES_MAX;
/// Most summaries in one message.
const CHUNK_SUMMARIES_MAX: usize = 100;

pub(super) fn routes() -> Router<Query> {
    let method = |name: &str| format!("/jaeger.api_v3.QueryService/{name}");
    Router::new()
        .route(&method("GetTrace"), post(get_trace))
        .route(&method("FindTraces"), post(find_traces))
        .route(&method("FindTraceSummaries"), post(find_summaries))
        .route(&method("GetServices"), post(get_services))
        .route(&method("GetOperations"), post(get_operations))
        .route(&method("GetDependencies"), post(get_dependencies))
}

type Many<T> = tonic::Response<Iter<std::vec::IntoIter<Result<T, Status>>>>;

fn many<T>(messages: Vec<T>) -> Many<T> {
    tonic::Response::new(stream::iter(
        messages.into_iter().map(Ok).collect::<Vec<_>>(),
    ))
}

/// Messages with what HTTP says in headers as metadata.
fn marked_many<T>(query: &Query, marks: &Marks, messages: Vec<T>) -> Many<T> {
    let mut headers = HeaderMap::new();
    marked(query, marks, &mut headers);
    let mut response = many(messages);
    *response.metadata_mut() = MetadataMap::from_headers(headers);
    response
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

async fn get_trace(State(query): State<Query>, request: Request) -> Response {
    streamed(request, move |extensions, message: GetTraceRequest| {
        let query = query.clone();
        Box::pin(async move {
            let id = trace_id::parse(&message.trace_id).map_err(Refusal::invalid)?;
            let found = query.0.sources.find(&tenant_of(&extensions), id).await?;
            let kept = found
                .filter(|found| !matches!(found.state, TraceState::Dropped(_)))
                .ok_or_else(Refusal::trace_not_found)?;
            Ok(many(vec![Bytes::from(encoded(&kept, message.raw_traces)?)]))
        })
    })
    .await
}

async fn find_traces(State(query): State<Query>, request: Request) -> Response {
    streamed(request, move |extensions, message: FindTracesRequest| {
        let query = query.clone();
        Box::pin(async move {
            let find = Find::of_message(message.query)?;
            let page = search(&query, &find, &extensions).await?;
            let (raw, marks) = (find.raw, page.marks);
            let encode = move || {
                page.traces
                    .iter()
                    .map(|found| encoded(found, raw).map(Bytes::from))
                    .collect()
            };
            let messages: Vec<Bytes> = off_thread(encode).await?;
            Ok(marked_many(&query, &marks, messages))
        })
    })
    .await
}

async fn find_summaries(State(query): State<Query>, request: Request) -> Response {
    streamed(request, move |extensions, message: FindTracesRequest| {
        let query = query.clone();
        Box::pin(async move {
            let find = Find::of_message(message.query)?;
            let page = search(&query, &find, &extensions).await?;
            let marks = page.marks;
            let summaries = off_thread(move || {
                page.traces
                    .iter()
                    .map(summary::of)
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
            let chunk = |summaries: &[_]| FindTraceSummariesResponse {
                summaries: summaries.to_vec(),
            };
            let messages = summaries.chunks(CHUNK_SUMMARIES_MAX).map(chunk).collect();
            Ok(marked_many(&query, &marks, messages))
        })
    })
    .await
}

async fn search(query: &Query, find: &Find, extensions: &Extensions) -> Result<Page, Refusal> {
    query
        .0
        .sources
        .search(&tenant_of(extensions), &find.filter, find.limit)
        .await
}

async fn get_services(State(query): State<Query>, request: Request) -> Response {
    unary(request, move |extensions, _: GetServicesRequest| {
        let query = query.clone();
        Box::pin(async move {
            let services = query.0.sources.services(&tenant_of(&extensions)).await?;
            Ok(tonic::Response::new(GetServicesResponse { services }))
        })
    })
    .await
}

async fn get_operations(State(query): State<Query>, request: Request) -> Response {
    unary(request, move |extensions, message: GetOperationsRequest| {
        let query = query.clone();
        Box::pin(async move {
            let service = Some(message.service.as_str()).filter(|service| !service.is_empty());
            let of_kind = match message.span_kind.as_str() {
                "" => None,
                text => Some(
                    kind::of(text)
                        .ok_or_else(|| Refusal::invalid("span_kind is no kind of span"))?,
                ),
            };
            let operations = query
                .0
                .sources
                .operations(&tenant_of(&extensions), service, of_kind)
                .await?;
            let written = |operation: trace_store::Operation| Operation {
                name: operation.name,
                span_kind: kind::text(operation.kind).to_owned(),
            };
            Ok(tonic::Response::new(GetOperationsResponse {
                operations: operations.into_iter().map(written).collect(),
            }))
        })
    })
    .await
}

async fn get_dependencies(State(query): State<Query>, request: Request) -> Response {
    unary(
        request,
        move |extensions, message: GetDependenciesRequest| {
            let query = query.clone();
            Box::pin(async move {
                let range = dependencies::range_of_message(&message)?;
                let tenant = tenant_of(&extensions);
                let mut marks = marks(&query);
                let found = direct::dependencies(&query, &tenant, range, None, &mut marks).await?;
                let written = |one: direct::Dependency| Dependency {
                    parent: one.parent,
                    child: one.child,
                    call_count: one.n_calls,
                };
                let mut response = tonic::Response::new(DependenciesResponse {
                    dependencies: found.into_iter().map(written).collect(),
                });
                let mut headers = HeaderMap::new();
                marked(&query, &marks, &mut headers);
                *response.metadata_mut() = MetadataMap::from_headers(headers);
                Ok(response)
            })
        },
    )
    .await
}

async fn unary<M, T>(
    request: Request,
    answer: impl Fn(Extensions, M) -> Answer<tonic::Response<T>>,
) -> Response
where
    M: prost::Message + Default + 'static,
    T: codec::Encoded,
{
    let extensions = request.extensions().clone();
    let service =
        service_fn(|message: tonic::Request<M>| answer(extensions.clone(), message.into_inner()));
    let mut grpc =
        Grpc::new(Messages::<T, M>::default()).max_decoding_message_size(REQUEST_BYTES_MAX);
    grpc.unary(service, request).await.into_response()
}

async fn streamed<M, T>(
    request: Request,
    answer: impl Fn(Extensions, M) -> Answer<Many<T>>,
) -> Response
where
    M: prost::Message + Default + 'static,
    T: codec::Encoded,
{
    let extensions = request.extensions().clone();
    let service =
        service_fn(|message: tonic::Request<M>| answer(extensions.clone(), message.into_inner()));
    let mut grpc =
        Grpc::new(Messages::<T, M>::default()).max_decoding_message_size(REQUEST_BYTES_MAX);
    grpc.server_streaming(service, request)
        .await
        .into_response()
}
