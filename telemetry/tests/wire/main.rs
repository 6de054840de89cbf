//! The walker against prost: what one decodes the other sees, and what prost refuses is never accepted.
#![expect(
    clippy::print_stderr,
    reason = "a test says what it skipped and how much it compared"
)]

mod oracle;

mod differential;
mod json;
mod metrics;
mod regroup;
mod remote_write;
mod warm;
