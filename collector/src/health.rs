//! Whether the process is alive and ready, for whoever watches it. Told without authentication, and no version with it.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// What the process tells of itself; the owner of all parts knows.
#[derive(Clone)]
pub struct Standing {
    /// What is still waited for before work is taken, in words. Empty once ready.
    pub waiting: watch::Receiver<Vec<String>>,
    /// The text of `/metrics`.
    pub scrape: Arc<dyn Fn() -> String + Send + Sync>,
}

impl Standing {
    pub(crate) fn is_ready(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// The body of `/-/ready`.
    pub(crate) fn to_json(&self) -> String {
        let waiting = self.waiting.borrow();
        match waiting.as_slice() {
            [] => json!({"ready": true}),
            waiting => json!({"ready": false, "waiting": waiting}),
        }
        .to_string()
    }
}

/// `grpc.health.v1.Health` over the same standing.
#[derive(Clone)]
pub struct GrpcHealth {
    waiting: watch::Receiver<Vec<String>>,
    services: &'static [&'static str],
}

impl GrpcHealth {
    /// Health of the whole process, and of these services by name.
    #[must_use]
    pub fn of(standing: &Standing, services: &'static [&'static str]) -> Self {
        Self {
            waiting: standing.waiting.clone(),
            services,
        }
    }

    /// # Errors
    /// When no service of that name is here. The empty name is the whole process.
    fn known(&self, service: &str) -> Result<(), Status> {
        if service.is_empty() || self.services.contains(&service) {
            Ok(())
        } else {
            Err(Status::not_found("service not registered"))
        }
    }
}

fn status_of(waiting: &[String]) -> ServingStatus {
    if waiting.is_empty() {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status as i32,
    }
}

/// The next status that is another than `told`; none once the process ends.
async fn next_status(
    waiting: &mut watch::Receiver<Vec<String>>,
    told: Option<ServingStatus>,
) -> Option<ServingStatus> {
    let changed = |waiting: &Vec<String>| Some(status_of(waiting)) != told;
    let waiting = waiting.wait_for(changed).await.ok()?;
    Some(status_of(&waiting))
}

#[tonic::async_trait]
impl Health for GrpcHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.known(&request.get_ref().service)?;
        Ok(Response::new(response(status_of(&self.waiting.borrow()))))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.known(&request.get_ref().service)?;
        let start = (self.waiting.clone(), None);
        let statuses = stream::unfold(start, |(mut waiting, told)| async move {
            let status = next_status(&mut waiting, told).await?;
            Some((Ok(response(status)), (waiting, Some(status))))
        });
        Ok(Response::new(statuses.boxed()))
    }
}
