//! Work of more than a moment, done off the threads that serve everyone.

use crate::refusal::{Kind, Refusal};

/// Runs `work` on a thread of its own. Not cancelled with the query: it ends when it is done.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let gone = |_| Refusal::new(Kind::Internal, "the answer could not be made");
    tokio::task::spawn_blocking(work).await.map_err(gone)?
}
