//! Names of attributes, as the OpenTelemetry semantic conventions spell them, and our own.

/// Name of the service that a resource describes.
pub const SERVICE_NAME: &str = "service.name";
/// What a service without a name is called.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// Namespace of services.
pub const SERVICE_NAMESPACE: &str = "service.namespace";
/// Version of a service.
pub const SERVICE_VERSION: &str = "service.version";
/// Who owns a service; there is no name for it in the conventions, these two are what people write.
pub const TEAM: &str = "team";
pub const SERVICE_OWNER: &str = "service.owner";
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

/// Attributes of a resource that become labels of every series of it: they tell what runs where. Part of what blocks are made of
/// and of how points are routed, so a change of this list is a change of what two releases make of one log.
pub const IDENTITY: [&str; 17] = [
    CONTAINER_ID,
    DEPLOYMENT_ENVIRONMENT,
    DEPLOYMENT_ENVIRONMENT_NAME,
    HOST_ID,
    HOST_NAME,
    K8S_CLUSTER_NAME,
    K8S_CONTAINER_NAME,
    K8S_NAMESPACE_NAME,
    K8S_NODE_NAME,
    K8S_POD_NAME,
    K8S_POD_UID,
    PROCESS_PID,
    PROCESS_VPID,
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_NAMESPACE,
    SERVICE_VERSION,
];

/// Name of the service that is called, as the caller was told.
pub const PEER_SERVICE: &str = "peer.service";
/// Address of the server that is called.
pub const SERVER_ADDRESS: &str = "server.address";
/// Its port.
pub const SERVER_PORT: &str = "server.port";
/// `server.address`, as conventions before 1.21 call it.
pub const NET_PEER_NAME: &str = "net.peer.name";
/// `server.port`, as conventions before 1.21 call it.
pub const NET_PEER_PORT: &str = "net.peer.port";
/// Address of the other end of the connection.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// Its port.
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
/// `network.peer.address`, as conventions before 1.21 call it.
pub const NET_SOCK_PEER_ADDR: &str = "net.sock.peer.addr";
/// `network.peer.port`, as conventions before 1.21 call it.
pub const NET_SOCK_PEER_PORT: &str = "net.sock.peer.port";
/// URL of a request.
pub const URL_FULL: &str = "url.full";
/// URL of a request, as conventions before 1.21 call it.
pub const HTTP_URL: &str = "http.url";
/// Status code of an answer over HTTP.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The same as conventions before 1.21 call it.
pub const HTTP_STATUS_CODE: &str = "http.status_code";
/// Class of the error that an operation ended with.
pub const ERROR_TYPE: &str = "error.type";
/// Status code of an answer over gRPC.
pub const RPC_GRPC_STATUS_CODE: &str = "rpc.grpc.status_code";
/// Database, or schema, or index, within a server.
pub const DB_NAMESPACE: &str = "db.namespace";
/// The same as conventions before 1.26 call it.
pub const DB_NAME: &str = "db.name";
/// Product of a database.
pub const DB_SYSTEM_NAME: &str = "db.system.name";
/// The same as conventions before 1.28 call it.
pub const DB_SYSTEM: &str = "db.system";
/// Name of a queue or topic.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// The same with what varies left out.
pub const MESSAGING_DESTINATION_TEMPLATE: &str = "messaging.destination.template";
/// Name of a queue or topic, as conventions before 1.20 call it.
pub const MESSAGING_DESTINATION: &str = "messaging.destination";

/// Name of the event that tells of an exception.
pub const EXCEPTION: &str = "exception";
/// Class of an exception.
pub const EXCEPTION_TYPE: &str = "exception.type";
/// What an exception says.
pub const EXCEPTION_MESSAGE: &str = "exception.message";
/// Stack trace of an exception event.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// Text of a database query.
pub const DB_QUERY_TEXT: &str = "db.query.text";
/// Text of a database query, as conventions before 1.25 call it.
pub const DB_STATEMENT: &str = "db.statement";

/// Ours: keys of the attributes, and names of the fields, that were cut to a limit. An array of texts.
pub const TRACEWELL_TRUNCATED: &str = "tracewell.truncated";

/// The label that an attribute becomes: `http.route` as `http_route`.
#[must_use]
pub fn label_of(attribute: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = attribute.chars().map(|c| if is_plain(c) { c } else { '_' });
    let starts_with_digit = attribute.starts_with(|c: char| c.is_ascii_digit());
    let before = if starts_with_digit { "key_" } else { "" };
    before.chars().chain(plain).collect()
}
