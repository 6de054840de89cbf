//! The walker against prost: what one decodes the other sees, and what prost refuses is never accepted.

mod oracle;

mod differential;
mod json;
mod regroup;
