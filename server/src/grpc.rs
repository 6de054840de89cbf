//! gRPC on the query port beside its own services: health and reflection, under their standard names.

use axum::Router;
use collector::{GrpcHealth, REFLECTION_SERVICES, Standing, reflection};
use tonic_health::pb::health_server::HealthServer;

/// Descriptors of the services of `query`.
const JAEGER: &[u8] = include_bytes!("../proto/jaeger_v3.binpb");
/// Services whose health is told by name.
const SERVICES: [&str; 1] = ["jaeger.api_v3.QueryService"];

pub(crate) fn router(standing: &Standing) -> Router {
    let health = HealthServer::new(GrpcHealth::of(standing, &SERVICES));
    let reflection = reflection(&[JAEGER]);
    let router = Router::new().route_service("/grpc.health.v1.Health/{method}", health);
    REFLECTION_SERVICES.iter().fold(router, |router, service| {
        router.route_service(&format!("/{service}/{{method}}"), reflection.clone())
    })
}
