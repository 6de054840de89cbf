//! Valid `TracesData` out of walked spans: by partition for the log, by trace for the store. Spans are copied as they are; resources and
//! scopes once for all spans in a row that have the same.

mod regroup;
mod trace_writer;

pub use regroup::Regroup;
pub use trace_writer::TraceWriter;
