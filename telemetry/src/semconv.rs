//! Names of attributes, as the OpenTelemetry semantic conventions spell them, and our own.

/// Name of the service that a resource describes.
pub const SERVICE_NAME: &str = "service.name";
/// What a service without a name is called.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// Stack trace of an exception event.
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
/// Text of a database query.
pub const DB_QUERY_TEXT: &str = "db.query.text";
/// Text of a database query, as conventions before 1.25 call it.
pub const DB_STATEMENT: &str = "db.statement";

/// Ours: keys of the attributes, and names of the fields, that were cut to a limit. An array of texts.
pub const TRACEWELL_TRUNCATED: &str = "tracewell.truncated";
