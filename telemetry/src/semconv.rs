//! Names of attributes, as the OpenTelemetry semantic conventions spell them, and our own.

/// Name of the service that a resource describes.
pub const SERVICE_NAME: &str = "service.name";
/// What a service without a name is called.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// Namespace of services.
pub const SERVICE_NAMESPACE: &str = "service.namespace";
/// Version of a service.
pub const SERVICE_VERSION: &str = "service.version";
/// Id of one instance of a service.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Environment that something is deployed in.
pub const DEPLOYMENT_ENVIRONMENT_NAME: &str = "deployment.environment.name";
/// The same as conventions before 1.27 call it.
pub const DEPLOYMENT_ENVIRONMENT: &str = "deployment.environment";
/// Id of a container: 64 hex digits.
pub const CONTAINER_ID: &str = "container.id";
/// Name of a container, as its runtime knows it.
pub const CONTAINER_NAME: &str = "container.name";
/// Id of a host.
pub const HOST_ID: &str = "host.id";
/// Name of a host.
pub const HOST_NAME: &str = "host.name";
/// Name of a Kubernetes cluster.
pub const K8S_CLUSTER_NAME: &str = "k8s.cluster.name";
/// Name of a container within its pod.
pub const K8S_CONTAINER_NAME: &str = "k8s.container.name";
/// Namespace of a pod.
pub const K8S_NAMESPACE_NAME: &str = "k8s.namespace.name";
/// Node that a pod runs on.
pub const K8S_NODE_NAME: &str = "k8s.node.name";
/// Name of a pod.
pub const K8S_POD_NAME: &str = "k8s.pod.name";
/// Unique id of a pod.
pub const K8S_POD_UID: &str = "k8s.pod.uid";
/// When a process was made.
pub const PROCESS_CREATION_TIME: &str = "process.creation.time";
/// Id of a process, in the pid namespace of who tells it.
pub const PROCESS_PID: &str = "process.pid";
/// Id of a process in its own pid namespace.
pub const PROCESS_VPID: &str = "process.vpid";

/// Stack trace of an exception event.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// Text of a database query.
pub const DB_QUERY_TEXT: &str = "db.query.text";
/// Text of a database query, as conventions before 1.25 call it.
pub const DB_STATEMENT: &str = "db.statement";

/// Ours: keys of the attributes, and names of the fields, that were cut to a limit. An array of texts.
pub const TRACEWELL_TRUNCATED: &str = "tracewell.truncated";
